"""Retention in PostgreSQL: days that are due, their deletion, and the certificates."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date, timedelta
from typing import Any, Final

import asyncpg

from chassis.database import statements
from chassis.database_faults import DATABASE_TROUBLE
from chassis.errors import Fault
from chassis.loops import repeat
from chassis.sessions import QUERY_SECONDS
from services.store.days import day_of, start_of
from services.store.postgres import ForceRows
from services.store.retention.records import BufferState, Identities, PurgeTotals, Times

_NO_END: Final = 2**63 - 1
_WINDOW_READS: Final = 20_000
_APPENDS: Final = 1_000
_LONGEST_STATEMENT: Final = timedelta(seconds=QUERY_SECONDS + 5)
_TURN: Final = timedelta(seconds=30)
_RENEW_SECONDS: Final = 5.0
_SQL: Final = statements("services.store.retention")


class PostgresRetention:
    """Retention of the rows of every force."""

    def __init__(self, rows: ForceRows, pool: asyncpg.Pool) -> None:
        self._rows = rows
        self._pool = pool

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[bool]:
        """Whether this replica may run retention now. One replica may at a time.

        The turn is renewed while it is held. A replica that is frozen loses it within half a minute.
        """
        run = secrets.token_hex(8)
        if not await self._take_turn(run):
            yield False
            return
        renewing = asyncio.create_task(self._renew(run), name="turn of retention")
        try:
            yield True
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            # Without a database the turn ends by the clock.
            with suppress(Fault, *DATABASE_TROUBLE):
                await self._pool.execute(_SQL.end_retention_turn, run)

    async def _take_turn(self, run: str) -> bool:
        return await self._pool.fetchval(_SQL.take_retention_turn, run, _TURN) is not None

    async def _renew(self, run: str) -> None:
        async def renew() -> None:
            # After a pause of this process another run may have the turn. Two at once do no harm: the
            # deletions exclude each other, and each checks again what it deletes.
            await self._pool.execute(_SQL.renew_retention_turn, run, _TURN)

        await asyncio.sleep(_RENEW_SECONDS)
        await repeat(renew, name="turn of retention", every=_RENEW_SECONDS)

    async def end_stuck_sessions(self) -> int:
        """End statements of frozen processes, which would keep partitions from being dropped; how many."""
        return int(await self._pool.fetchval(_SQL.end_stuck_sessions, _LONGEST_STATEMENT))

    async def forces(self) -> Sequence[str]:
        """All forces, retired ones included."""
        return [row["force"] for row in await self._pool.fetch(_SQL.all_forces)]

    async def largest_day_bytes(self) -> int:
        """The size of rows and indexes of the largest day, all forces together; 0 without any day."""
        return int(await self._pool.fetchval(_SQL.largest_day_bytes))

    async def days(self, force: str) -> Sequence[date]:
        """The days that have a partition, oldest first."""
        return [row["day"] for row in await self._fetch(force, _SQL.days)]

    async def least_cursor(self, force: str) -> int:
        """The least cursor of the registered consumers; the head when none is registered."""
        return int((await self._fetch(force, _SQL.least_cursor))[0][0])

    async def reaches_past(self, force: str, day: date, position: int) -> bool:
        """Whether there are reads of a day past a position."""
        number = await self._rows.number_of(force)
        return bool(await self._pool.fetchval(_SQL.day_reaches_past, number, day, position))

    async def identities(self, force: str, times: Times, up_to: int) -> AsyncIterator[Identities]:
        """The identities of the reads of these times up to a position, in order, some thousands at once."""
        number = await self._rows.number_of(force)
        async for after, to in self._windows(force, number, times, up_to):
            async with self._rows.transaction(force) as connection:
                row = await connection.fetchrow(
                    _SQL.identities, number, after, min(to, up_to), times.start, times.end
                )
            yield Identities(row["identities"], row["reads"], row["last_position"])

    async def late(self, force: str, before_us: int, rows: int) -> Sequence[tuple[int, int]]:
        """Position and time of receipt of the first reads captured before a time."""
        number = await self._rows.number_of(force)
        found = await self._pool.fetch(_SQL.late_reads, number, before_us, rows)
        return [(row["position"], row["received_at_us"]) for row in found]

    async def illustrated(self, force: str, times: Times, up_to: int) -> frozenset[tuple[int, int]]:
        """Day (as a number) and number of each image object that reads of these times refer to."""
        number = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            found = await connection.fetch(_SQL.illustrated_objects, number, times.start, times.end, up_to)
        return frozenset((row["day"], row["image_object"]) for row in found)

    async def drop_day(self, force: str, day: date, totals: PurgeTotals, now_us: int) -> bool:
        """Drop a day's partition and record the purge, in one transaction; False when that is not allowed."""
        number = await self._rows.number_of(force)
        return await self._pool.fetchval(_SQL.drop_day, number, day, *_values(totals), now_us) is not None

    async def delete_older(self, force: str, before_us: int, totals: PurgeTotals, now_us: int) -> bool:
        """Delete late reads and record the purge, in one transaction; False when that is not allowed."""
        number = await self._rows.number_of(force)
        values = (*_values(totals), now_us)
        return await self._pool.fetchval(_SQL.delete_older, number, before_us, *values) is not None

    async def unfinished(self, force: str) -> Sequence[int]:
        """Purges whose images may not be deleted yet."""
        return [row["purge_no"] for row in await self._fetch(force, _SQL.unfinished_purges)]

    async def purges(self, force: str, below: int, rows: int) -> Sequence[Mapping[str, Any]]:
        """Finished purges below a number, newest first."""
        return [dict(row) for row in await self._fetch(force, _SQL.purges_before, below, rows)]

    async def state(self, force: str) -> BufferState:
        """The state of the buffer now."""
        number = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            status = await connection.fetchrow(_SQL.buffer_status, number)
            days = [row["day"] for row in await connection.fetch(_SQL.days, number)]
            before_us = start_of(days[0]) if days else _NO_END
            late_us = await connection.fetchval(_SQL.late_from, number, before_us)
        late_from = None if late_us is None else day_of(late_us)
        return BufferState(status["head"], status["reads_stored"], days, late_from)

    async def finish(self, force: str, purge_no: int, now_us: int) -> None:
        """Record that a purge is finished."""
        await self._fetch(force, _SQL.finish_purge, purge_no, now_us)

    async def forget_appends(self, force: str, captured_before_us: int, received_before_us: int) -> None:
        """Forget appends of which no read is left."""
        number = await self._rows.number_of(force)
        await self._pool.execute(_SQL.forget_appends, number, captured_before_us, received_before_us)

    async def _fetch(self, force: str, statement: str, *values: object) -> Sequence[Any]:
        """Run a statement whose first parameter is the number of the force, on the rows of that force."""
        number = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            found: Sequence[Any] = await connection.fetch(statement, number, *values)
        return found

    async def _windows(
        self, force: str, number: int, times: Times, up_to: int
    ) -> AsyncIterator[tuple[int, int]]:
        """Ranges of positions (after, to) that hold all reads of these times, each of some thousands."""
        after = start = 0
        reads = 0
        while appends := await self._appends(force, number, after, times, up_to):
            for append in appends:
                if not reads:
                    start = append["first_position"] - 1
                after = append["last_position"]
                reads += after - append["first_position"] + 1
                if reads >= _WINDOW_READS:
                    yield start, after
                    reads = 0
        if reads:
            yield start, after

    async def _appends(self, force: str, number: int, after: int, times: Times, up_to: int) -> Sequence[Any]:
        async with self._rows.transaction(force) as connection:
            found: Sequence[Any] = await connection.fetch(
                _SQL.day_appends, number, after, times.start, times.end, up_to, _APPENDS
            )
        return found


def _values(totals: PurgeTotals) -> tuple[int, int, int, bytes]:
    return totals.last_position, totals.reads, totals.image_objects, totals.digest
