"""Replicas of a service that does nothing but follow, over a real PostgreSQL and a log in memory."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from chassis.database import connect, in_forces, open_pool
from chassis.errors import OutOfRange, Unavailable
from chassis.migrations import migrate
from chassis.settings import DatabaseSettings
from following import (
    ActualState,
    GapPolicy,
    GatherLimits,
    Lease,
    Line,
    Lines,
    LineStatus,
    Move,
    Part,
    Progress,
    StopAtGaps,
    add_line,
    line_status,
)
from following.postgres import Tended
from suite.database import open_database, owner_role, runtime_role
from tests.postgres_server import SharedServer

SERVICE = "match"
"""The kit's tables go into the schema of this service, which has nothing else here."""
LINE = "line"
PATIENCE_SECONDS = 30.0
_RESULTS = """
create table results (
    force text, line text, position bigint, replica text, primary key (force, line, position)
);
grant select, insert on results to public;
create function write_results(
    the_force text, the_line text, the_epoch bigint, the_cursor text,
    old_position bigint, new_position bigint, new_head bigint,
    positions bigint[], the_replica text
) returns boolean language plpgsql as $$
begin
    perform set_config('gantry.forces', the_force, true);
    if not advance_line(the_force, the_line, the_epoch, the_cursor, old_position, new_position, new_head) then
        return false;
    end if;
    insert into results select the_force, the_line, unnest(positions), the_replica;
    return true;
end $$;
"""


@dataclass(frozen=True)
class Number:
    """An item of one read."""

    last: int
    count: int = 1
    encoded: bytes = b"read"


class MemoryLog:
    """One force's log: every position up to the head is a read."""

    def __init__(self) -> None:
        self.head = 0
        self.purged_to = 0
        self.reported: list[int] = []
        self.broken: Exception | None = None
        self._grew = asyncio.Event()

    def grow(self, count: int = 1) -> int:
        """Append reads; returns the head."""
        self.head += count
        self._grew.set()
        self._grew = asyncio.Event()
        return self.head

    def breaks(self, error: Exception | None) -> None:
        """Fail for every follower, until it is None again."""
        self.broken = error
        self.grow(0)

    async def follow(self, after: int | None) -> AsyncGenerator[Part[Number], None]:
        position = self.purged_to if after is None else after
        yield self._part(position, position)
        while True:
            grew = self._grew
            if self.broken is not None:
                raise self.broken
            if position > self.head:
                raise OutOfRange("POSITION_AHEAD", "never reached", metadata={"head": str(self.head)})
            if position < self.purged_to:
                first = str(self.purged_to + 1)
                raise OutOfRange("POSITION_PURGED", "deleted", metadata={"first_position": first})
            if position < self.head:
                after, position = position, self.head
                yield self._part(after, position)
            await grew.wait()

    async def report(self, position: int) -> None:
        self.reported.append(position)

    def _part(self, after: int, position: int) -> Part[Number]:
        return Part([Number(each) for each in range(after + 1, position + 1)], position, self.head)


class WritingStep:
    """Writes each position down, once."""

    def __init__(self, world: World, pool: asyncpg.Pool, replica: str) -> None:
        self._world = world
        self._pool = pool
        self._replica = replica

    async def run(self, part: Part[Number], progress: Progress) -> None:
        positions = [item.last for item in part.items if item.last > progress.position]
        await self._world.before_write(self._replica, positions)
        await progress.commit(part.position, lambda move: self._write(move, positions))

    async def _write(self, move: Move, positions: list[int]) -> bool:
        return bool(
            await self._pool.fetchval(
                "select write_results($1, $2, $3, $4, $5, $6, $7, $8, $9)", *move, positions, self._replica
            )
        )


@dataclass
class Replica:
    """One process of the service, as far as the kit goes."""

    name: str
    lines: Lines
    pool: asyncpg.Pool
    task: asyncio.Task[None]
    starts: Counter[str] = field(default_factory=Counter)

    async def stop(self) -> None:
        """End like a service: politely."""
        await self.lines.stop()
        await self.task

    async def kill(self) -> None:
        """End like kill -9: nothing is released, and the row of the replica stays until it expires."""
        self.lines._rows.tend = _unreachable  # type: ignore[method-assign]
        self.lines._rows.release = _unreachable  # type: ignore[method-assign]
        for held in self.lines._held.values():
            held.task.cancel()
        self.task.cancel()
        await asyncio.wait([self.task])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Neither renew nor learn anything, without knowing of it; the lines that run go on writing."""
        rows, clock = self.lines._rows, self.lines._clock
        tend, moment = rows.tend, clock()
        last = [Tended(held.running.lease, True, 0) for held in self.lines._held.values()]

        async def nothing_new(forces: Sequence[str], *, leaving: bool) -> list[Tended]:
            return last

        rows.tend = nothing_new  # type: ignore[method-assign]
        self.lines._clock = lambda: moment
        try:
            yield
        finally:
            rows.tend = tend  # type: ignore[method-assign]
            self.lines._clock = clock


async def _unreachable(*_: object, **__: object) -> Any:
    raise Unavailable("DATABASE_UNAVAILABLE", "this process is dead")


class World:
    """What the replicas of one test share."""

    def __init__(self, database: DatabaseSettings, opened: AsyncExitStack) -> None:
        self.database = database
        self.opened = opened
        self.forces: list[str] = ["essex"]
        self.logs: dict[str, MemoryLog] = {}
        self.replicas: list[Replica] = []
        self.before_write: Callable[[str, Sequence[int]], Awaitable[None]] = _at_once
        self.limits = GatherLimits()
        self.gaps: GapPolicy = StopAtGaps()
        self.line_options: dict[str, Any] = {}
        self.make_step: Callable[[Replica, Lease], Any] = self._writing_step

    def log(self, force: str = "essex") -> MemoryLog:
        return self.logs.setdefault(force, MemoryLog())

    async def replica(self, **options: Any) -> Replica:
        """Start a replica."""
        pool = await self.opened.enter_async_context(open_pool(self.database))
        name = f"replica {len(self.replicas)}"
        made: list[Replica] = []

        def make(lease: Lease) -> Line[Number]:
            made[0].starts[lease.force] += 1

            @asynccontextmanager
            async def open_step(lease: Lease) -> AsyncIterator[Any]:
                yield self.make_step(made[0], lease)

            return Line(
                self.log(lease.force), open_step, limits=self.limits, gaps=self.gaps, **self.line_options
            )

        lines = Lines(pool, make, forces=lambda: self.forces, in_every_force=[LINE], **options)
        made.append(Replica(name, lines, pool, asyncio.create_task(lines.run(), name=name)))
        self.replicas += made
        return made[0]

    def _writing_step(self, replica: Replica, _lease: Lease) -> WritingStep:
        return WritingStep(self, replica.pool, replica.name)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A transaction that has declared all forces."""
        async with connect(self.database) as connection, in_forces(connection, self.forces):
            yield connection

    async def rows(self, statement: str, *values: object) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            found: list[asyncpg.Record] = await connection.fetch(statement, *values)
            return found

    async def verb(self, verb: Callable[..., Awaitable[Any]], *values: Any, force: str = "essex") -> Any:
        """Do `pause_line` and the like."""
        async with self.connection() as connection:
            return await verb(connection, force, LINE, *values)

    async def status(self, force: str = "essex") -> LineStatus:
        found = await self.verb(line_status, force=force)
        assert isinstance(found, LineStatus)
        return found

    async def is_at(self, position: int, force: str = "essex") -> bool:
        found = await self.verb(line_status, force=force)
        return found is not None and found.position == position

    async def is_doing(self, state: ActualState, force: str = "essex") -> bool:
        found = await self.verb(line_status, force=force)
        return found is not None and found.actual is state

    async def results(self, force: str = "essex") -> list[int]:
        rows = await self.rows("select position from results where force = $1 order by position", force)
        return [row["position"] for row in rows]

    async def owners(self) -> dict[str, str]:
        """The live owner of each force's line, if it has one."""
        rows = await self.rows("select force, owner from lines where expires_at > present()")
        return {row["force"]: row["owner"] for row in rows}

    async def add(self, force: str, **options: Any) -> None:
        async with self.connection() as connection:
            await add_line(connection, force, LINE, **options)


async def _at_once(_replica: str, _positions: Sequence[int]) -> None:
    return


async def eventually(true: Callable[[], Awaitable[object] | bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until `true` gives something true."""
    ends_at = time.monotonic() + seconds
    while True:
        outcome = true()
        if await outcome if isinstance(outcome, Awaitable) else outcome:
            return
        assert time.monotonic() < ends_at, "it did not come true in time"
        await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
def template(postgres_server: SharedServer) -> Callable[[], Awaitable[str]]:
    """Name of a database with the kit's tables, made once."""
    made: list[str] = []

    async def make() -> str:
        if not made:
            name = await postgres_server._create("template0", "template_following")
            await open_database(postgres_server.postgres.superuser(name), [SERVICE])
            async with connect(postgres_server.settings(owner_role(SERVICE), name)) as connection:
                await migrate(connection, ("chassis", "following"), schema=SERVICE)
                await connection.execute(_RESULTS)
            made.append(name)
        return made[0]

    return make


@pytest.fixture
async def database_of_lines(
    postgres_server: SharedServer, template: Callable[[], Awaitable[str]]
) -> AsyncIterator[DatabaseSettings]:
    """The runtime role's way into a fresh database with the kit's tables."""
    name = await postgres_server._create(await template())
    await open_database(postgres_server.postgres.superuser(name), [SERVICE])
    yield postgres_server.settings(runtime_role(SERVICE), name)
    await postgres_server.drop(name)


@pytest.fixture
async def world(database_of_lines: DatabaseSettings) -> AsyncIterator[World]:
    async with AsyncExitStack() as opened:
        made = World(database_of_lines, opened)
        yield made
        for replica in made.replicas:
            replica.task.cancel()
        ended = await asyncio.gather(*(each.task for each in made.replicas), return_exceptions=True)
        died = [each for each in ended if isinstance(each, Exception)]
        assert not died, died
