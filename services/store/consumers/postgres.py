"""Consumers and their cursors in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import asyncpg

from chassis.database import statements
from chassis.errors import Forbidden, NotFound, OutOfRange
from services.store.consumers.consumer import ConsumerCursor, ConsumerLag
from services.store.postgres import ForceRows

_SQL: Final = statements("services.store.consumers")


class PostgresConsumers:
    """Registers and retires consumers and keeps their cursors. Every method raises NotFound FORCE_UNKNOWN."""

    def __init__(self, rows: ForceRows, pool: asyncpg.Pool) -> None:
        self._rows = rows
        self._pool = pool

    async def register(self, service: str, force: str, consumer: str) -> int:
        """Register a consumer and return its cursor. One that is registered keeps its cursor."""
        number = await self._rows.number_of(force)
        position = await self._pool.fetchval(_SQL.register_consumer, service, number, force, consumer)
        if position is None:
            raise _not_yours()
        return int(position)

    async def retire(self, service: str, force: str, consumer: str) -> None:
        """Retire a consumer. One that is unknown or retired stays as it is."""
        number = await self._rows.number_of(force)
        if not await self._pool.fetchval(_SQL.retire_consumer, service, number, force, consumer):
            raise _not_yours()

    async def report(self, service: str, force: str, consumer: str, position: int) -> None:
        """Move a cursor forward; a smaller position changes nothing.

        Raises NotFound CONSUMER_UNKNOWN and OutOfRange POSITION_AHEAD.
        """
        number = await self._rows.number_of(force)
        row = await self._pool.fetchrow(_SQL.report_cursor, service, number, force, consumer, position)
        if row["registered_by"] is None:
            raise NotFound(
                "CONSUMER_UNKNOWN", "the force has no such consumer; register it", field="consumer"
            )
        if row["registered_by"] != service:
            raise _not_yours()
        if not row["is_reached"]:
            raise OutOfRange("POSITION_AHEAD", "the log never reached that position", field="position")

    async def of(self, force: str) -> Sequence[ConsumerCursor]:
        """The registered consumers of a force, by name."""
        number = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            rows = await connection.fetch(_SQL.consumers_of, number)
        return [ConsumerCursor(*row) for row in rows]

    async def lags(self, forces: Collection[str]) -> Sequence[ConsumerLag]:
        """The lag of every registered consumer of these forces, from the rows as they are now."""
        async with self._rows.transaction(forces) as connection:
            return [ConsumerLag(*row) for row in await connection.fetch(_SQL.lags)]


def _not_yours() -> Forbidden:
    return Forbidden(
        "CONSUMER_NOT_YOURS",
        "another service registered this consumer; choose another name",
        field="consumer",
    )
