"""match: checks every read against the hotlists of its force and alerts people."""

from typing import Final

MIGRATIONS: Final = ("chassis", "following", "services.match")
"""The packages whose migrations make the schema, in order."""
