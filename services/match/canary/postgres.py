"""The canary's hotlists in PostgreSQL."""

from __future__ import annotations

from typing import Final

import asyncpg

from chassis.database import in_forces, statements
from reads.canary import CANARY
from services.match.canary.preparing import CanaryList

SQL: Final = statements("services.match.canary")


class PostgresCanaryLists:
    """See `services.match.canary.preparing.CanaryLists`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, force: str) -> CanaryList | None:
        """The canary's hotlist of a force; None before it was ever imported."""
        async with in_forces(self._pool, force) as connection:
            row = await connection.fetchrow(SQL["find_list"], force, CANARY)
        return None if row is None else CanaryList(**row)
