"""Delivers every read of the log to the national service and other destinations."""

from typing import Final

MIGRATIONS: Final = ("services.nas_bridge",)
"""The packages whose migrations make the schema, in order."""
