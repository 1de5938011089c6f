"""Receipts and dead letters in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import asyncpg

from chassis.database import in_forces, statements
from services.nas_bridge.receipts.records import DeadLetter, KeptReceipt

_SQL: Final = statements("services.nas_bridge.receipts")
_DAY_SECONDS: Final = 86_400


class PostgresRecords:
    """See `services.nas_bridge.receipts.records.Records`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def ping(self) -> None:
        """Fail when the database does not answer."""
        async with self._pool.acquire() as connection:
            await connection.execute(_SQL.ping)

    async def has_destination(self, force: str, destination: str) -> bool:
        """Whether the force has, or had, a destination of that name."""
        async with in_forces(self._pool, force) as connection:
            return bool(await connection.fetchval(_SQL.has_destination, force, destination))

    async def dead_letters(self, force: str, destination: str, below: int, most: int) -> list[DeadLetter]:
        """Dead letters at positions below `below`, newest first."""
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(_SQL.list_dead_letters, force, destination, below, most)
        return [DeadLetter(**row) for row in rows]

    async def receipt(self, force: str, destination: str, position: int) -> KeptReceipt | None:
        """The receipt that covers a position."""
        async with in_forces(self._pool, force) as connection:
            row = await connection.fetchrow(_SQL.find_receipt, force, destination, position)
        return None if row is None else KeptReceipt(**row)

    async def delete_old(self, forces: Iterable[str], receipt_days: float, dead_letter_days: float) -> None:
        """Delete receipts and dead letters that are older."""
        async with in_forces(self._pool, forces) as connection:
            await connection.execute(_SQL.delete_old_receipts, receipt_days * _DAY_SECONDS)
            await connection.execute(_SQL.delete_old_dead_letters, dead_letter_days * _DAY_SECONDS)
