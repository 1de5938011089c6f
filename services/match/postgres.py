"""Matching in PostgreSQL: the cursor of each force, the entries that a read may match, the alerts raised."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from chassis.database import statements
from services.match.matching import Entry, NewAlert, read_of

SQL: Final = statements("services.match")
ALERTS_CHANNEL: Final = "gantry_match_alerts"
LISTS_CHANNEL: Final = "gantry_match_lists"
_ALERT_COLUMNS: Final = 13


class Fenced(Exception):  # noqa: N818 - not an error: somebody else was first
    """The cursor was moved by another replica, or the hotlists changed: start again from the cursor."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Every read up to `position` is matched; reads after it need hotlists of `generation`."""

    position: int
    generation: int


@dataclass(frozen=True, slots=True)
class Move:
    """A step of the cursor: from where, to where, and the head of the log as then known."""

    cursor: Cursor
    position: int
    head: int


@dataclass(frozen=True, slots=True)
class Status:
    """How far matching is for a force."""

    position: int
    head: int
    alerts_raised: int
    alerts_open: int
    entries: int


@asynccontextmanager
async def in_force(
    pool: asyncpg.Pool, force: str, *, isolation: str | None = None
) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that sees the rows of `force` and of no other."""
    async with pool.acquire() as connection, connection.transaction(isolation=isolation):
        await connection.execute(SQL["declare_force"], force)
        yield connection


@asynccontextmanager
async def in_locked_force(connection: asyncpg.Connection, force: str) -> AsyncIterator[asyncpg.Record]:
    """A transaction that holds the row of `force`; yields its position, generation and last_number."""
    async with connection.transaction():
        yield await connection.fetchrow(SQL["lock_matching"], force)


class PostgresRaising:
    """From candidates to alerts; each method is one round trip and one transaction."""

    def __init__(self, connection: asyncpg.Connection | asyncpg.Pool, force: str) -> None:
        self._connection = connection
        self._force = force

    async def warm(self, cursor: Cursor, loads: Sequence[int], now: datetime) -> None:
        """Do all of it once in vain: a session's first time takes up to a hundred times as long."""
        await self.entries(loads, [0], now)
        stay = (self._force, cursor.position, cursor.generation, cursor.position, cursor.position, now)
        await self._connection.fetchval(SQL["raise_alerts"], *stay, *([] for _ in range(_ALERT_COLUMNS)))

    async def entries(self, loads: Sequence[int], keys: Sequence[int], now: datetime) -> list[Entry]:
        """The entries with these folded keys that have not reached their weed date."""
        rows = await self._connection.fetch(SQL["find_entries"], self._force, loads, keys, now)
        return [Entry(**row) for row in rows]

    async def raise_alerts(
        self, step: Move, alerts: Sequence[NewAlert], raised_at: datetime
    ) -> list[int | None]:
        """Raise alerts and move the cursor at once; returns their numbers, None where raised before."""
        was = step.cursor
        numbers: list[int | None] | None = await self._connection.fetchval(
            SQL["raise_alerts"],
            *(self._force, was.position, was.generation, step.position, step.head, raised_at),
            *_columns(self._force, alerts),
        )
        if numbers is None:
            raise Fenced
        return numbers

    async def move(self, step: Move) -> None:
        """Move the cursor over reads that raised nothing; on disk within a second."""
        was = step.cursor
        outcome = await self._connection.execute(
            SQL["move_cursor"], self._force, was.position, was.generation, step.position, step.head
        )
        if outcome != "UPDATE 1":
            raise Fenced


class PostgresMatching:
    """What a follower reads and writes. Raises Fenced when it has lost its place."""

    def __init__(self, pool: asyncpg.Pool, *, may_hold: int = 0) -> None:
        """So many connections of the pool may be held for long, each for one force."""
        self._pool = pool
        self._may_hold = may_hold

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        await self._pool.execute(SQL["ping"])

    async def cursor(self, force: str) -> Cursor:
        """The durable cursor of a force; a new force begins before its first read."""
        await self._pool.execute(SQL["begin_matching"], force)
        row = await self._pool.fetchrow(SQL["read_cursor"], force)
        return Cursor(row["position"], row["generation"])

    @asynccontextmanager
    async def raising(self, force: str) -> AsyncIterator[PostgresRaising]:
        """What takes a force's candidates to alerts, for as long as the force is followed.

        It has a connection of its own while there are enough: one that is free at the moment may be new, and
        slow for that, and none may be free.
        """
        if self._may_hold <= 0:
            yield PostgresRaising(self._pool, force)
            return
        self._may_hold -= 1
        try:
            async with self._pool.acquire() as connection:
                yield PostgresRaising(connection, force)
        finally:
            self._may_hold += 1

    async def status(self, force: str) -> Status:
        """How far matching is, as far as it is durable."""
        async with in_force(self._pool, force) as connection:
            row = await connection.fetchrow(SQL["read_status"], force)
        return Status(**row)


def _columns(force: str, alerts: Sequence[NewAlert]) -> list[tuple[object, ...]]:
    rows = [_row(force, alert) for alert in alerts]
    return list(zip(*rows, strict=True))


def _row(force: str, alert: NewAlert) -> tuple[object, ...]:
    seen, entry = alert.candidate, alert.entry
    columns = seen.batch.reads
    return (
        seen.position,
        seen.captured_at,
        entry.hotlist_no,
        entry.priority,
        alert.near,
        seen.camera_id,
        columns.read_ids[seen.place],
        entry.vrm,
        entry.hotlist,
        entry.reason,
        entry.markers,
        entry.instruction,
        read_of(force, columns, seen.place).SerializeToString(),
    )
