"""The log in PostgreSQL: appends, and reads for followers behind the ring."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date
from typing import Any, Final, Self

import asyncpg

from chassis.database import statements
from chassis.database_faults import DATABASE_TROUBLE
from reads.traced import text_of
from services.store.cameras.postgres import CameraNumbers
from services.store.days import US_A_DAY, date_of
from services.store.log.commit import Commit, CommitResult
from services.store.log.encode import append_arguments
from services.store.log.rebuild import ReadRows, rebuilt
from services.store.log.repeats import Repeats
from services.store.log.ring import LogEntry
from services.store.partitions.postgres import PostgresPartitions
from services.store.postgres import ForceRows, force_unknown

_MOST_APPENDS: Final = 1_000
_RELEASE_SECONDS: Final = 1.0
_SQL: Final = statements("services.store.log")


class AppendConnections:
    """A limited number of connections of a pool. An append waits until one is free.

    They are kept between appends, so that an append neither prepares statements nor resets a session.
    """

    def __init__(self, pool: asyncpg.Pool, most: int) -> None:
        self._pool = pool
        self._turns = asyncio.Semaphore(most)
        self._idle: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        idle, self._idle = self._idle, []
        # Together: each one takes its full time when the server hangs.
        await asyncio.gather(*map(self._give_back, idle))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """A connection for one append. After an error it is not used again."""
        async with self._turns:
            connection = await self._taken()
            try:
                yield connection
            except BaseException:
                await self._give_back(connection)
                raise
            self._idle.append(connection)

    async def _taken(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not _is_gone(connection):
                return connection
            await self._give_back(connection)
        return await self._pool.acquire()

    async def _give_back(self, connection: Any) -> None:
        with suppress(*DATABASE_TROUBLE):
            await asyncio.shield(self._pool.release(connection, timeout=_RELEASE_SECONDS))


class PostgresLog:
    """The logs of all forces. Every method raises NotFound FORCE_UNKNOWN."""

    def __init__(  # noqa: PLR0917
        self,
        rows: ForceRows,
        pool: asyncpg.Pool,
        connections: AppendConnections,
        partitions: PostgresPartitions,
        now_us: Callable[[], int],
        before_commit: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`before_commit` runs inside each append's transaction, just before it commits; for tests."""
        self._rows = rows
        self._pool = pool
        self._connections = connections
        self._partitions = partitions
        self._now_us = now_us
        self._before_commit = before_commit
        self._repeats: dict[str, Repeats] = {}
        self._cameras: dict[str, CameraNumbers] = {}

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        await self._rows.ping()

    async def probe(self, force: str) -> None:
        """Raise when an append of the force would fail: nothing can be written, or its row is locked."""
        number = await self._rows.number_of(force)
        await self._rows.require_writable()
        async with self._rows.transaction(force) as connection:
            await connection.execute(_SQL.lock_force, number)

    async def append(self, commit: Commit) -> CommitResult:
        """Append all reads of a commit in one transaction. Refuses a retired force like an unknown one."""
        result = await (self._append_reads if commit.canary is None else self._append_canary)(commit)
        if result is None:
            raise force_unknown()
        return result

    async def entries_after(self, force: str, position: int, most_reads: int) -> Sequence[LogEntry]:
        """Entries after a position, oldest first: at least one if there is any."""
        number, cameras = await self._rows.number_of(force), await self._cameras_of(force)
        async with self._rows.transaction(force) as connection:
            appends = _first_reads(
                await connection.fetch(_SQL.appends_after, number, position, _MOST_APPENDS), most_reads
            )
            if not appends:
                return ()
            rows = ReadRows.of(
                await connection.fetch(_SQL.reads_between, number, position, appends[-1]["last_position"])
            )
            camera_ids = await cameras.names_of(connection, rows.camera_nos)
        return rebuilt(position, appends, rows, camera_ids)

    async def head(self, force: str) -> int:
        """The position of the newest read."""
        return int(await self._pool.fetchval(_SQL.head, await self._rows.number_of(force)))

    async def purged_to(self, force: str) -> int:
        """The highest position that was ever deleted."""
        return int(await self._pool.fetchval(_SQL.purged_to, await self._rows.number_of(force)))

    async def oldest(self, force: str) -> int:
        """The position just before the oldest read that is left; the head when none is."""
        number = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            oldest = await connection.fetchval(_SQL.oldest, number)
            return int(await connection.fetchval(_SQL.head, number) if oldest is None else oldest)

    async def _append_reads(self, commit: Commit) -> CommitResult | None:
        await self._partitions.make_for(commit.force, _reads_by_day(commit))
        cameras = await self._cameras_of(commit.force)
        camera_nos = [await cameras.numbers_of(append.columns.camera_ids) for append in commit.appends]
        encoded = append_arguments(commit.appends, camera_nos, commit.image_objects, commit.image_refs)
        row = await self._looking_for_repeats(commit.force, await self._first_values(commit), encoded)
        if row["head_before"] is None:
            return None
        return CommitResult(row["head_before"], row["head_now"], row["stored"], row["differing"] or ())

    async def _append_canary(self, commit: Commit) -> CommitResult | None:
        """Nothing is prepared for it: it is in no partition, and its camera has no number."""
        (canary,) = commit.appends
        values = (
            canary.captured_us[0],
            canary.columns.read_ids[0],
            text_of(canary.traced, canary.count),
            canary.serialised(),
        )
        first = await self._first_values(commit)
        async with self._connections.one() as connection:
            row = await self._call(connection, _SQL.append_canary, (*first, *values))
        before, now = row["head_before"], row["head_now"]
        return None if before is None else CommitResult(before, now, None if now > before else ())

    async def _first_values(self, commit: Commit) -> Sequence[Any]:
        """The parameters with which both functions begin."""
        return await self._rows.number_of(commit.force), commit.force, commit.received_at_us

    async def _looking_for_repeats(self, force: str, head: Sequence[Any], encoded: Sequence[Any]) -> Any:
        repeats = self._repeats.setdefault(force, Repeats(self._now_us))
        async with self._connections.one() as connection:
            if not repeats.expected:
                try:
                    return await self._call(connection, _SQL.append_reads, (*head, False, *encoded))
                except asyncpg.UniqueViolationError:
                    repeats.found()
            return await self._call(connection, _SQL.append_reads, (*head, True, *encoded))

    async def _call(self, connection: Any, statement: str, arguments: Sequence[Any]) -> Any:
        if self._before_commit is None:
            # A statement by itself is a transaction by itself, in one round trip.
            return await connection.fetchrow(statement, *arguments)
        async with connection.transaction():
            row = await connection.fetchrow(statement, *arguments)
            await self._before_commit()
            return row

    async def _cameras_of(self, force: str) -> CameraNumbers:
        cameras = self._cameras.get(force)
        if cameras is None:
            number = await self._rows.number_of(force)
            cameras = self._cameras.setdefault(force, CameraNumbers(self._rows, force, number))
        return cameras


def _reads_by_day(commit: Commit) -> Counter[date]:
    reads: Counter[date] = Counter()
    for append in commit.appends:
        first, last = (us // US_A_DAY for us in append.captured_us)
        if first == last:
            reads[date_of(first)] += append.count
        else:
            reads.update(date_of(us // US_A_DAY) for us in append.columns.captured_at_us)
    return reads


def _first_reads(appends: Sequence[Any], most_reads: int) -> Sequence[Any]:
    """The first appends, at least one, that together hold no more than `most_reads`."""
    reads = 0
    for index, append in enumerate(appends):
        reads += append["last_position"] - append["first_position"] + 1
        if index and reads > most_reads:
            return appends[:index]
    return appends


def _is_gone(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        # The server ended it while it was idle, and the pool has closed it.
        return True
