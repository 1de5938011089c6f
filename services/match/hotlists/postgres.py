"""Hotlists in PostgreSQL: loads that are filled, sealed, activated and dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from io import BytesIO
from typing import Final
from uuid import UUID

import asyncpg
from gantry.match.v1.hotlist_pb2 import Hotlist

from chassis.database import allow_long_statements, in_forces, statements
from chassis.database_faults import DATABASE_TROUBLE
from chassis.errors import Unavailable
from chassis.loops import repeat
from following.rows import restart_line
from reads.canary import CANARY
from reads.epoch import timestamp
from services.match.hotlists.copy_format import COLUMNS
from services.match.hotlists.ports import Activation, AlreadyImported, Answered, Sealed

SQL: Final = statements("services.match.hotlists")
# Tens of millions of lines take minutes. After an hour something is stuck.
_BULK_SECONDS: Final = 3600.0
LEASE: Final = timedelta(seconds=60)
"""For so long a load is kept for a process that does not run any more."""
KEEP_SECONDS: Final = 15.0
_MOST_REPEATS: Final = 100


class PostgresLoading:
    """See `services.match.hotlists.ports.Loading`. It holds a connection only while a method runs."""

    def __init__(self, pool: asyncpg.Pool, force: str, load_no: int, line: str) -> None:
        self._pool = pool
        self._force = force
        self._line = line
        self.load_no = load_no

    async def fill(self, rows: bytes) -> None:
        """Add whole rows in the form of `services.match.hotlists.copy_format.copy_text`."""
        try:
            async with in_forces(self._pool, self._force) as connection:
                await connection.copy_to_table(
                    f"entries_{self.load_no}", source=BytesIO(rows), columns=COLUMNS, format="text"
                )
        except asyncpg.UndefinedTableError:
            raise _interrupted() from None

    async def seal(self, now: datetime) -> Sealed:
        """Close the load; it can then be read."""
        try:
            async with in_forces(self._pool, self._force) as connection:
                await allow_long_statements(connection, _BULK_SECONDS)
                row = await connection.fetchrow(SQL["seal_load"], self.load_no, now, timeout=_BULK_SECONDS)
                repeats = []
                if row["repeated"]:
                    repeats = await connection.fetch(
                        SQL["find_repeated"], self.load_no, _MOST_REPEATS, timeout=_BULK_SECONDS
                    )
        except asyncpg.NoDataFoundError:
            raise _interrupted() from None
        return Sealed(**row, repeats=[tuple(each) for each in repeats])

    async def keep(self, lease: timedelta = LEASE) -> bool:
        """Keep the load from being dropped for a while; false when it was dropped already."""
        async with in_forces(self._pool, self._force) as connection:
            return bool(await connection.fetchval(SQL["keep_load"], self.load_no, lease))

    async def keep_on(self) -> None:
        """Keep the load until this is cancelled."""
        await asyncio.sleep(KEEP_SECONDS)
        await repeat(self._keep, name="keeping a load", every=KEEP_SECONDS)

    async def _keep(self) -> None:
        await self.keep()

    async def activate(self, activation: Activation, entries: int, answer: Callable[[int], bytes]) -> bytes:
        """Make the load a hotlist's next version and keep `answer(version)`, which is returned."""
        order = activation
        async with in_forces(self._pool, self._force) as connection:
            # After the commit, reads matched against the lists as they were cannot move the cursor. It is
            # first because alerts are raised under a lock of the line and then refer to their hotlist: the
            # other order deadlocks.
            await restart_line(connection, order.force, self._line)
            if not await connection.fetchval(SQL["keep_load"], self.load_no, LEASE):
                raise _interrupted()
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
        """Begin a load. It is dropped afterwards unless it is activated, also when this process stops."""
        async with in_forces(self._pool, force) as connection:
            load_no = await connection.fetchval(SQL["begin_load"], force, LEASE)
        load = PostgresLoading(self._pool, force, load_no, self._line)
        keeping = asyncio.create_task(load.keep_on(), name="keeping a load")
        try:
            yield load
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            # Without an answer the lease ends by itself.
            with suppress(Unavailable, TimeoutError, *DATABASE_TROUBLE):
                await load.keep(timedelta())

    async def answered(self, force: str, request_id: UUID) -> Answered | None:
        """The answer of an earlier import with this request id."""
        async with in_forces(self._pool, force) as connection:
            row = await connection.fetchrow(SQL["find_import"], force, request_id)
        return None if row is None else Answered(row["name"], row["answer"])

    async def list(self, force: str, now: datetime) -> Sequence[Hotlist]:
        """The hotlists of a force, by name, with their entries that have passed their weed date `now`.

        The canary's is no hotlist of the force.
        """
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(SQL["list_hotlists"], force, now, CANARY)
        return [Hotlist(**{**row, "activated_at": timestamp(row["activated_at"])}) for row in rows]

    async def drop_unused(self, force: str) -> int:
        """Drop loads that were replaced or left behind; returns how many are still in use."""
        async with in_forces(self._pool, force) as connection:
            unused = await connection.fetch(SQL["list_unused_loads"], force)
        dropped = 0
        for row in unused:
            async with in_forces(self._pool, force) as connection:
                is_gone = await connection.fetchval(SQL["drop_load"], row["load_no"])
                if not is_gone:
                    await connection.execute(SQL["end_abandoned_copy"], row["load_no"])
            dropped += is_gone
        return len(unused) - dropped


def _interrupted() -> Unavailable:
    return Unavailable(
        "IMPORT_INTERRUPTED",
        "the service did not run for a while, and the import was given up; import again",
        retry_after=1.0,
    )
