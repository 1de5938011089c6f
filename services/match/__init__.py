"""match: checks every read against the hotlists of its force and tells the people who can act."""

from typing import Final

MIGRATIONS: Final = ("chassis", "following", "services.match")
"""The packages whose migrations make the schema, in order."""
