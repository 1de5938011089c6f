"""Matching in PostgreSQL: the entries that a read may match, and the alerts raised."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import asyncpg

from chassis.database import statements
from following.lease import Move
from reads.canary import canary_sequence
from reads.epoch import moment
from reads.read import read_at
from services.match.matching.merging import Entry
from services.match.matching.ports import NewAlert

SQL: Final = statements("services.match.matching")


class PostgresRaising:
    """See `services.match.matching.ports.Raising`. Each method is one round trip and one transaction."""

    def __init__(self, connection: asyncpg.Connection | asyncpg.Pool, force: str, line: str) -> None:
        self._connection = connection
        self._force = force
        self._line = line

    async def warm_up(self, loads: Sequence[int], now: datetime) -> None:
        """Plan the statements, so that the first alert takes no longer than others (warm-up)."""
        await self._connection.fetchrow(SQL["warm_up"], self._force, self._line, loads, now)

    async def entries(self, loads: Sequence[int], keys: Sequence[int], now: datetime) -> Sequence[Entry]:
        """The entries with these folded keys that have not reached their weed date."""
        rows = await self._connection.fetch(SQL["find_entries"], self._force, loads, keys, now)
        return [Entry(**row) for row in rows]

    async def raise_alerts(
        self, move: Move, alerts: Sequence[NewAlert], raised_at: datetime
    ) -> list[int | None] | None:
        """Raise alerts and move the cursor in one transaction and one round trip."""
        numbers: list[int | None] | None = await self._connection.fetchval(
            SQL["raise_alerts"], *move, raised_at, *_columns(self._force, alerts)
        )
        return numbers

    async def raise_canary_alerts(
        self, move: Move, alerts: Sequence[NewAlert], raised_at: datetime
    ) -> list[int | None] | None:
        """As `raise_alerts`, for hits of canaries."""
        sequence, columns = canary_sequence(self._force), _columns(self._force, alerts)
        numbers: list[int | None] | None = await self._connection.fetchval(
            SQL["raise_canary_alerts"], *move, sequence, raised_at, *columns
        )
        return numbers


class PostgresMatching:
    """See `services.match.matching.ports.Matching`."""

    def __init__(self, pool: asyncpg.Pool, line: str, *, may_hold: int) -> None:
        """At most `may_hold` forces hold a connection of the pool for as long as their line runs here."""
        self._pool = pool
        self._line = line
        self._may_hold = may_hold

    @asynccontextmanager
    async def raising(self, force: str) -> AsyncIterator[PostgresRaising]:
        """The `Raising` of a force, for as long as its line runs here.

        It holds a connection while the pool has enough. A connection taken for each alert may be new and
        therefore slow, or none may be free.
        """
        if self._may_hold <= 0:
            yield PostgresRaising(self._pool, force, self._line)
            return
        self._may_hold -= 1
        try:
            async with self._pool.acquire() as connection:
                yield PostgresRaising(connection, force, self._line)
        finally:
            self._may_hold += 1


def _columns(force: str, alerts: Sequence[NewAlert]) -> list[tuple[object, ...]]:
    """The arrays that raise_alerts and raise_canary_alerts take: one a column, with one element an alert."""
    return list(zip(*(_row(force, alert) for alert in alerts), strict=True))


def _row(force: str, alert: NewAlert) -> tuple[object, ...]:
    seen, entry = alert.hit.candidate, alert.hit.entry
    identity = seen.identity
    return (
        seen.position,
        moment(identity.captured_at_us),
        entry.hotlist_no,
        entry.priority,
        alert.hit.near,
        identity.camera_id,
        identity.read_id,
        entry.vrm,
        entry.hotlist,
        entry.reason,
        entry.markers,
        entry.instruction,
        read_at(force, seen.appended.columns, seen.index).SerializeToString(),
        entry.entries,
        alert.camera_name,
        alert.late,
    )
