"""The log in PostgreSQL: appending, and reading what followers have missed."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import repeat
from typing import Any, Final, Self

import asyncpg

from anpr.force import is_force
from chassis.database import statements
from chassis.database_faults import DATABASE_TROUBLE
from chassis.errors import InvalidInput, OutOfRange
from services.store.days import US_A_DAY, date_of, day_of
from services.store.log.columns import Append
from services.store.log.encode import append_arguments
from services.store.log.group import ForceGroup, Outcome
from services.store.log.rebuild import CatchUpRows, rebuilt
from services.store.log.ring import Batch
from services.store.log.upkeep import Partition

_MOST_APPENDS: Final = 1_000
_RELEASE_SECONDS: Final = 1.0
_SQL: Final = statements("services.store.log")


@dataclass(slots=True, eq=False)
class _Force:
    """What is known of a force; numbers and names never change, a day that was dropped does no harm here."""

    number: int
    code: str
    camera_nos: dict[str, int] = field(default_factory=dict)
    camera_ids: dict[int, str] = field(default_factory=dict)
    days: set[date] = field(default_factory=set)
    # Reads since the last summary, by day; None stands for late reads.
    appended: Counter[date | None] = field(default_factory=Counter)


class PostgresLog:
    """Reads of all forces. One instance appends with one connection, kept until it breaks."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        now_us: Callable[[], int],
        retention_days: int,
        before_commit: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`before_commit` runs inside each append's transaction, just before it commits; for tests."""
        self.sender = secrets.token_hex(8)
        self._pool = pool
        self._now_us = now_us
        self._retention_days = retention_days
        self._before_commit = before_commit
        self._forces: dict[str, _Force] = {}
        self._appender: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back the appending connection; the next append takes another."""
        connection, self._appender = self._appender, None
        if connection is not None:
            with suppress(*DATABASE_TROUBLE):
                await asyncio.shield(self._pool.release(connection, timeout=_RELEASE_SECONDS))

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        await self._pool.fetchval(_SQL.ping)

    async def head(self, force: str) -> int:
        """The position of the newest read of a force, which is made if it is new."""
        return int(await self._pool.fetchval(_SQL.head, (await self._force(force)).number))

    async def heads(self) -> Mapping[str, int]:
        """The head of every force's log."""
        return {row["force"]: row["head"] for row in await self._pool.fetch(_SQL.heads)}

    async def append(self, groups: Sequence[ForceGroup]) -> Sequence[Outcome]:
        """Commit all groups in one transaction, an outcome each, in the order of `groups`."""
        forces = [await self._force(group.force) for group in groups]
        arguments = {}
        for force, group in zip(forces, groups, strict=True):
            await self._make_days(force, group.appends)
            camera_nos = [
                await self._camera_nos(force, append.columns.camera_ids) for append in group.appends
            ]
            encoded = append_arguments(group.appends, camera_nos, group.image_objects, group.image_refs)
            arguments[force.number] = (
                force.number,
                force.code,
                self.sender,
                group.received_at_us,
                *encoded,
            )
        # Replicas lock forces in the same order, so that they never wait for each other in a circle.
        outcomes = await self._append([arguments[number] for number in sorted(arguments)])
        return [outcomes[force.number] for force in forces]

    async def batches_after(self, force: str, position: int, most_reads: int) -> Sequence[Batch]:
        """What follows a position, oldest first: at least one batch if there is anything, else none."""
        known = await self._force(force)
        async with self.transaction(force) as connection:
            appends = _first_reads(
                await connection.fetch(_SQL.appends_after, known.number, position, _MOST_APPENDS), most_reads
            )
            if not appends:
                return ()
            reads = await connection.fetch(
                _SQL.reads_between,
                known.number,
                position,
                appends[-1]["last_position"],
            )
            rows = CatchUpRows.of(reads)
            await self._name_cameras(connection, known, rows.camera_nos)
        return rebuilt(position, appends, rows, known.camera_ids)

    async def purged_to(self, force: str) -> int:
        """The highest position that was ever deleted."""
        return int(await self._pool.fetchval(_SQL.purged_to, (await self._force(force)).number))

    async def oldest(self, force: str) -> int:
        """The position just before the oldest read that is left; the head when none is."""
        number = (await self._force(force)).number
        async with self.transaction(force) as connection:
            oldest = await connection.fetchval(_SQL.oldest, number)
            return int(await connection.fetchval(_SQL.head, number) if oldest is None else oldest)

    async def report_cursor(self, force: str, consumer: str, position: int) -> None:
        """Move a consumer's cursor forward. Raises OutOfRange POSITION_AHEAD."""
        number = (await self._force(force)).number
        if await self._pool.fetchval(_SQL.report_cursor, number, consumer, position) is None:
            raise OutOfRange("POSITION_AHEAD", "the log never reached that position", field="position")

    @asynccontextmanager
    async def transaction(self, forces: str) -> AsyncIterator[Any]:
        """A connection that sees the rows of `forces` (codes joined by commas) and of no other."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_SQL.name_forces, forces)
            yield connection

    async def number_of(self, force: str) -> int:
        """The number of a force, made if it is new."""
        return (await self._force(force)).number

    def appended(self) -> Mapping[Partition, int]:
        """About how many reads went where since they were last summarised."""
        return {
            (force.code, day): reads
            for force in self._forces.values()
            for day, reads in force.appended.items()
            if reads
        }

    async def summarise(self, partition: Partition) -> None:
        """Summarise what went into a partition, and count from 0 again."""
        force, day = await self._force(partition[0]), partition[1]
        force.appended.pop(day, None)
        fills = day is None or day >= day_of(self._now_us())
        await self._pool.execute(_SQL.summarise_day, force.number, day, fills)

    async def make_ahead(self, days: tuple[date, ...]) -> None:
        """Make partitions of these days for all forces in use."""
        for force in [*self._forces.values()]:
            for day in days:
                await self._make_day(force, day)

    async def _append(self, calls: Sequence[tuple[Any, ...]]) -> dict[int, Outcome]:
        connection = await self._appending()
        try:
            if len(calls) == 1 and self._before_commit is None:
                # A statement by itself is a transaction by itself, in one round trip.
                return await _run(connection, calls)
            async with connection.transaction():
                outcomes = await _run(connection, calls)
                if self._before_commit is not None:
                    await self._before_commit()
                return outcomes
        except BaseException:
            # Whatever state it is in, the next append gets another.
            await self.close()
            raise

    async def _appending(self) -> Any:
        if self._appender is None or _is_gone(self._appender):
            self._appender = await self._pool.acquire()
        return self._appender

    async def _force(self, code: str) -> _Force:
        known = self._forces.get(code)
        if known is None:
            if not is_force(code):
                raise InvalidInput(
                    "FORCE_INVALID", "a force code is 1 to 32 of a-z, 0-9 and dash", field="force"
                )
            number = int(await self._pool.fetchval(_SQL.open_force, code))
            days = {row["day"] for row in await self._pool.fetch(_SQL.days, number)}
            known = self._forces.setdefault(code, _Force(number, code, days=days))
        return known

    async def _make_days(self, force: _Force, appends: Sequence[Append]) -> None:
        oldest = self._now_us() // US_A_DAY - self._retention_days
        wanted = Counter(us // US_A_DAY for append in appends for us in _spread(append))
        for number, reads in wanted.items():
            day = date_of(number)
            if number >= oldest:
                await self._make_day(force, day)
            force.appended[day if day in force.days else None] += reads

    async def _make_day(self, force: _Force, day: date) -> None:
        if day not in force.days:
            await self._pool.fetchval(_SQL.make_day, force.number, day)
            # Also when it could not be made: those reads have their place in `older` then.
            force.days.add(day)

    async def _camera_nos(self, force: _Force, camera_ids: Sequence[str]) -> list[int]:
        try:
            return [force.camera_nos[camera_id] for camera_id in camera_ids]
        except KeyError:
            await self._number_cameras(force, [*camera_ids])
            return [force.camera_nos[camera_id] for camera_id in camera_ids]

    async def _number_cameras(self, force: _Force, camera_ids: list[str]) -> None:
        for statement in (_SQL.add_cameras, _SQL.camera_numbers):
            async with self.transaction(force.code) as connection:
                rows = await connection.fetch(statement, force.number, camera_ids)
        force.camera_nos.update((row["camera_id"], row["camera_no"]) for row in rows)

    async def _name_cameras(self, connection: Any, force: _Force, numbers: Sequence[int]) -> None:
        missing = [*set(numbers).difference(force.camera_ids)]
        if missing:
            rows = await connection.fetch(_SQL.camera_names, force.number, missing)
            force.camera_ids.update((row["camera_no"], row["camera_id"]) for row in rows)


def _is_gone(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        # The server ended it while it was idle, and the pool has taken it back.
        return True


async def _run(connection: Any, calls: Sequence[tuple[Any, ...]]) -> dict[int, Outcome]:
    outcomes = {}
    for call in calls:
        row = await connection.fetchrow(_SQL.append_reads, *call)
        outcomes[call[0]] = Outcome(row["head_before"], row["head_now"], row["stored"])
    return outcomes


def _first_reads(appends: Sequence[Any], most_reads: int) -> Sequence[Any]:
    """The first appends, at least one, that together hold no more than `most_reads`."""
    reads = 0
    for index, append in enumerate(appends):
        reads += append["last_position"] - append["first_position"] + 1
        if index and reads > most_reads:
            return appends[:index]
    return appends


def _spread(append: Append) -> Iterable[int]:
    """Times that stand for the days of an append's reads, cheaply where they are all of one day."""
    times = append.columns.captured_at_us
    first = min(times)
    return repeat(first, append.count) if first // US_A_DAY == max(times) // US_A_DAY else times
