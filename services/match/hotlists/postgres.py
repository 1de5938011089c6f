"""Hotlists in PostgreSQL: loads that are filled, sealed, activated and dropped."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import asyncpg
from gantry.match.v1.hotlist_pb2 import Hotlist

from chassis.database import allow_long_statements, in_forces, statements
from following.rows import restart_line
from reads.epoch import timestamp
from services.match.hotlists.copy_format import COLUMNS
from services.match.hotlists.ports import Activation, AlreadyImported, Answered, Sealed

SQL: Final = statements("services.match.hotlists")
# Tens of millions of lines take minutes. After an hour something is stuck.
_BULK_SECONDS: Final = 3600.0


class PostgresLoading:
    """See `services.match.hotlists.ports.Loading`. The session's lock keeps the load from being dropped."""

    def __init__(self, connection: asyncpg.Connection, force: str, load_no: int, line: str) -> None:
        self._connection = connection
        self._force = force
        self._line = line
        self.load_no = load_no

    async def fill(self, rows: AsyncIterable[bytes]) -> None:
        """Take rows in the form of `services.match.hotlists.copy_format.copy_text`."""
        await self._connection.copy_to_table(
            f"entries_{self.load_no}", source=rows, columns=COLUMNS, format="text", timeout=_BULK_SECONDS
        )

    async def seal(self) -> Sealed:
        """Close the load; it can then be read."""
        async with in_forces(self._connection, self._force) as connection:
            row = await connection.fetchrow(SQL["seal_load"], self.load_no, timeout=_BULK_SECONDS)
        return Sealed(row["entries"], row["repeated"])

    async def activate(self, activation: Activation, entries: int, answer: Callable[[int], bytes]) -> bytes:
        """Make the load a hotlist's next version and keep `answer(version)`, which is returned."""
        order = activation
        async with in_forces(self._connection, self._force) as connection:
            # After the commit, reads matched against the lists as they were cannot move the cursor. It is
            # first because alerts are raised under a lock of the line and then refer to their hotlist: the
            # other order deadlocks.
            await restart_line(connection, order.force, self._line)
            hotlist_no, version = await connection.fetchrow(
                SQL["replace_hotlist"],
                *(order.force, order.name, self.load_no, order.near_matches, entries, order.at, order.person),
            )
            kept = answer(version)
            try:
                await connection.execute(
                    SQL["record_import"], order.force, order.request_id, hotlist_no, kept
                )
            except asyncpg.UniqueViolationError:
                raise AlreadyImported from None
        return kept


class PostgresHotlists:
    """See `services.match.hotlists.ports.Hotlists`."""

    def __init__(self, pool: asyncpg.Pool, line: str) -> None:
        """`line` matches a force's reads; it starts again when the force's hotlists change."""
        self._pool = pool
        self._line = line

    @asynccontextmanager
    async def begin(self, force: str) -> AsyncIterator[PostgresLoading]:
        """Begin a load. It is dropped later unless it is activated."""
        async with self._pool.acquire() as connection:
            await allow_long_statements(connection, _BULK_SECONDS)
            async with in_forces(connection, force):
                load_no = await connection.fetchval(SQL["begin_load"], force)
            # The load's lock ends when the pool takes the connection back.
            yield PostgresLoading(connection, force, load_no, self._line)

    async def answered(self, force: str, request_id: UUID) -> Answered | None:
        """The answer of an earlier import with this request id."""
        async with in_forces(self._pool, force) as connection:
            row = await connection.fetchrow(SQL["find_import"], force, request_id)
        return None if row is None else Answered(row["name"], row["answer"])

    async def list(self, force: str) -> Sequence[Hotlist]:
        """The hotlists of a force, by name."""
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(SQL["list_hotlists"], force)
        return [Hotlist(**{**row, "activated_at": timestamp(row["activated_at"])}) for row in rows]

    async def drop_unused(self, force: str) -> int:
        """Drop loads that were replaced or left behind; returns how many are still in use."""
        async with in_forces(self._pool, force) as connection:
            unused = await connection.fetch(SQL["list_unused_loads"], force)
        dropped = 0
        for row in unused:
            async with in_forces(self._pool, force) as connection:
                dropped += await connection.fetchval(SQL["drop_load"], row["load_no"])
        return len(unused) - dropped
