"""The bridge's records and claims in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import asyncpg

from chassis.database import finished, statements
from chassis.database_faults import database_unavailable
from services.nas_bridge.destination import ReadName
from services.nas_bridge.records import (
    ClaimLostError,
    DeadLetter,
    Delivery,
    ForwarderStatus,
    KeptReceipt,
    RefusedRead,
    Route,
    State,
)

_SQL: Final = statements("services.nas_bridge")


@asynccontextmanager
async def of_force(pool: asyncpg.Pool, force: str) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that sees one force's rows. Raises Unavailable when the database goes away."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(_SQL.declare_force, force)
            yield connection
    except asyncpg.InternalClientError as error:
        # What asyncpg says when a connection breaks at an unlucky moment.
        raise database_unavailable() from error


class PostgresRecords:
    """See `services.nas_bridge.records.Records`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def ping(self) -> None:
        """Fail when the database cannot be asked."""
        async with self._pool.acquire() as connection:
            await connection.execute(_SQL.ping)

    async def register(self, routes: Iterable[Route]) -> None:
        """Make the rows of forwarders that are new."""
        for route in routes:
            async with of_force(self._pool, route.force) as connection:
                await connection.execute(_SQL.register_forwarder, *route)

    async def forwarders(self, force: str) -> list[ForwarderStatus]:
        """The forwarders of a force, by destination."""
        async with of_force(self._pool, force) as connection:
            rows = await connection.fetch(_SQL.list_forwarders, force)
        return [ForwarderStatus(**{**row, "state": State(row["state"])}) for row in rows]

    async def dead_letters(self, route: Route, before: int, most: int) -> list[DeadLetter]:
        """Refused reads below a position, newest first."""
        async with of_force(self._pool, route.force) as connection:
            rows = await connection.fetch(_SQL.list_dead_letters, *route, before, most)
        return [_dead_letter(row) for row in rows]

    async def receipt(self, route: Route, position: int) -> KeptReceipt | None:
        """The receipt that covers a position."""
        async with of_force(self._pool, route.force) as connection:
            row = await connection.fetchrow(_SQL.find_receipt, *route, position)
        return None if row is None else KeptReceipt(**row)

    async def delete_old(self, force: str, receipts_before: datetime, dead_letters_before: datetime) -> None:
        """Delete what is over age."""
        async with of_force(self._pool, force) as connection:
            await connection.execute(_SQL.delete_old_receipts, force, receipts_before)
            await connection.execute(_SQL.delete_old_dead_letters, force, dead_letters_before)


class ForwarderRow:
    """Writes one forwarder's row under the epoch of a claim."""

    def __init__(self, pool: asyncpg.Pool, route: Route, epoch: int) -> None:
        self._pool = pool
        self._route = route
        self._epoch = epoch

    async def record_delivery(self, delivery: Delivery) -> None:
        """Write receipt, dead letters and cursor in one transaction. Raises ClaimLostError."""
        await self._fenced(
            _SQL.record_delivery,
            delivery.before,
            delivery.after,
            delivery.head,
            delivery.receipt_id,
            delivery.first_position,
            delivery.last_position,
            delivery.accepted,
            delivery.duplicate,
            delivery.traceparent,
            *_columns(delivery.refused),
        )

    async def move_cursor(self, before: int, after: int, head: int) -> None:
        """Move over a stretch of the log without reads. Raises ClaimLostError."""
        await self._fenced(_SQL.move_cursor, before, after, head)

    async def note_state(self, state: State, error: str, head: int) -> None:
        """Say how the forwarder fares. Raises ClaimLostError."""
        await self._fenced(_SQL.note_state, int(state), error, head)

    async def _fenced(self, statement: str, *values: Any) -> None:
        # What a destination has taken must not be forgotten because we are told to stop just then.
        await finished(self._write(statement, values))

    async def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        async with of_force(self._pool, self._route.force) as connection:
            if await connection.fetchval(statement, *self._route, self._epoch, *values) != 1:
                raise ClaimLostError(f"another process runs {'/'.join(self._route)} now")


def _columns(refused: Iterable[RefusedRead]) -> list[list[Any]]:
    rows = [
        (
            each.position,
            each.name.camera_id,
            each.name.read_id,
            each.name.captured_at,
            each.reason,
            each.message,
        )
        for each in refused
    ]
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]


def _dead_letter(row: asyncpg.Record) -> DeadLetter:
    name = ReadName(row["camera_id"], row["read_id"], row["captured_at"])
    return DeadLetter(row["position"], name, row["reason"], row["message"], row["refused_at"])
