"""People look reads and their images up, each time with a purpose and an audit record."""
