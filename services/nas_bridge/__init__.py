"""Delivers every read of the log to the national service and to other destinations."""

from typing import Final

MIGRATIONS: Final = ("chassis", "following", "services.nas_bridge")
"""Packages whose migrations make the schema, in this order."""
