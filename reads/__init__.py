"""What a read is: its columns, its identity, its times. Pure: the contracts and numpy."""
