"""Transactions that see the rows of certain forces, shared by every feature of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from chassis.database import in_forces, statements
from chassis.errors import NotFound

_SQL: Final = statements("services.store")


class ForceRows:
    """Numbers of forces, and transactions that see the rows of certain forces only."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._numbers: dict[str, int] = {}

    async def number_of(self, force: str) -> int:
        """The number of a force, also of one that is retired. Raises NotFound FORCE_UNKNOWN."""
        number = self._numbers.get(force)
        if number is None:
            number = await self._pool.fetchval(_SQL.force_number, force)
            if number is None:
                raise force_unknown()
            # Neither a code nor its number ever changes.
            self._numbers[force] = number
        return number

    @asynccontextmanager
    async def transaction(self, forces: str | Iterable[str]) -> AsyncIterator[Any]:
        """A connection in a transaction that sees the rows of `forces` and of no other."""
        async with in_forces(self._pool, forces) as connection:
            await connection.execute(_SQL.plan_by_index)
            yield connection

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        await self._pool.fetchval(_SQL.ping)

    async def require_writable(self) -> None:
        """Raise when nothing can be written, as on a full disk. The row of no force is touched."""
        await self._pool.execute(_SQL.write_probe)


def force_unknown() -> NotFound:
    """The fault for a force that does not exist, or that was retired."""
    return NotFound("FORCE_UNKNOWN", "there is no such force, or it was retired", field="force")
