"""match: checks every read against the hotlists of its force and tells the people who can act."""
