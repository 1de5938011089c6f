"""The rows of destinations in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import asyncpg

from chassis.database import in_forces, statements
from services.nas_bridge.destinations.destination import (
    Destination,
    DestinationSettings,
    DestinationState,
    Images,
    Route,
)

_SQL: Final = statements("services.nas_bridge.destinations")


class PostgresDestinations:
    """See `services.nas_bridge.destinations.verbs.DestinationRows`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def destinations(self, force: str) -> list[Destination]:
        """The destinations of a force by name."""
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(_SQL.list_destinations, force, None)
        return [_destination(row) for row in rows]
