"""Lines shared out among replicas: who has them, who gets them next, and who can no longer write."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest

from chassis.database import connect, open_pool
from chassis.settings import DatabaseSettings
from following import GatherLimits, Key, add_line, pause_line, restart_line, resume_line
from following.postgres import PostgresLines, Tended
from suite.postgres import ConnectArguments
from tests.chaos.proxy import proxy_to
from tests.contract.following.conftest import LINE, World, eventually
from tests.postgres_server import SharedServer

SIX = ["avon", "bedford", "cumbria", "devon", "essex", "fife"]
SHORT_SECONDS = 3.0


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("following.postgres.LEASE_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr("following.lines.SURE_SECONDS", SHORT_SECONDS * 0.7)


async def shares(world: World) -> list[int]:
    """How many lines each owner has, ascending."""
    return sorted(Counter((await world.owners()).values()).values())


def shared_out(world: World, *expected: int) -> Callable[[], object]:
    async def check() -> bool:
        return await shares(world) == sorted(expected)

    return check


async def started_by_owners(world: World) -> bool:
    """A replica owns a line a moment before it starts it."""
    replicas = {each.lines.replica: each for each in world.replicas}
    return all(replicas[owner].starts[force] for force, owner in (await world.owners()).items())


@asynccontextmanager
async def growing(world: World) -> AsyncIterator[None]:
    """All logs grow meanwhile. Afterwards each read has left its result, once."""

    async def grow() -> None:
        while True:
            for force in world.forces:
                world.log(force).grow()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(grow())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    for force in world.forces:
        head = world.log(force).head
        await eventually(lambda force=force, head=head: world.is_at(head, force))
        assert await world.results(force) == list(range(1, head + 1))


@pytest.mark.usefixtures("short_leases")
async def test_three_replicas_six_forces_kill_one_join_one(world: World) -> None:
    world.forces = SIX
    replicas = [await world.replica() for _ in range(3)]
    await eventually(shared_out(world, 2, 2, 2))
    async with growing(world):
        await replicas[0].kill()
        await eventually(shared_out(world, 3, 3), seconds=SHORT_SECONDS + 2)
        replicas.append(await world.replica())
        await eventually(shared_out(world, 2, 2, 2), seconds=5)
        owners = await world.owners()
        running = [(force, each.lines.replica) for each in replicas[1:] for force, _ in each.lines.running]
        assert sorted(running) == sorted(owners.items()), "each line runs at its owner, and nowhere else"


@pytest.mark.parametrize(("lines", "expected"), [(4, (1, 1, 2)), (5, (1, 2, 2)), (2, (1, 1)), (1, (1,))])
async def test_shares_differ_by_one_at_most(world: World, lines: int, expected: Sequence[int]) -> None:
    world.forces = SIX[:lines]
    first = await world.replica()
    await eventually(shared_out(world, lines))
    for _ in range(2):
        await world.replica()
    await eventually(shared_out(world, *expected), seconds=5)
    await eventually(lambda: started_by_owners(world))
    starts = sum(sum(each.starts.values()) for each in world.replicas)
    await asyncio.sleep(1)
    assert sum(sum(each.starts.values()) for each in world.replicas) == starts, "it has settled"
    assert starts <= lines + 4, "few lines were moved"
    assert first.lines.running


async def test_a_polite_stop_hands_over_at_once(world: World) -> None:
    world.forces = SIX
    took: list[float] = []
    await world.replica()
    async with growing(world):
        # A busy machine can delay one of them.
        for _ in range(3):
            await world.replica()
            await eventually(shared_out(world, 3, 3))
            began = time.monotonic()
            await world.replicas[-2].stop()
            await eventually(shared_out(world, 6))
            took.append(time.monotonic() - began)
    assert min(took) < 1, took


async def test_a_paused_line_counts_in_no_share(world: World) -> None:
    world.forces = SIX[:2]
    await world.replica()
    await world.replica()
    await eventually(shared_out(world, 1, 1))
    await world.verb(pause_line, force=SIX[0])
    await eventually(shared_out(world, 1))
    await asyncio.sleep(1)
    assert await shares(world) == [1]


@pytest.mark.usefixtures("short_leases")
@pytest.mark.parametrize("seed", [1, 2])
async def test_no_read_is_lost_or_processed_twice_whatever_happens(world: World, seed: int) -> None:
    """Replicas join, stop and are killed; lines are paused, resumed and restarted, at any moment."""
    chance = random.Random(seed)
    world.forces = SIX[:4]
    world.limits = GatherLimits(most_reads=3)
    alive = [await world.replica() for _ in range(2)]
    await eventually(shared_out(world, 2, 2))
    async with growing(world):
        for _ in range(40):
            await asyncio.sleep(chance.uniform(0, 0.3))
            match chance.choice(["verb", "verb", "verb", "verb", "join", "stop", "kill"]):
                case "join" if len(alive) < 4:
                    alive.append(await world.replica())
                case "stop" if len(alive) > 1:
                    await alive.pop(chance.randrange(len(alive))).stop()
                case "kill" if len(alive) > 1:
                    await alive.pop(chance.randrange(len(alive))).kill()
                case _:
                    verb = chance.choice([pause_line, resume_line, restart_line])
                    await world.verb(verb, force=chance.choice(world.forces))
        for force in world.forces:
            await world.verb(resume_line, force=force)


async def test_a_restart_keeps_the_lease(world: World) -> None:
    """Another owner would have to read its index first."""
    world.forces = SIX
    replicas = [await world.replica() for _ in range(2)]
    await eventually(shared_out(world, 3, 3))
    before = await world.owners()
    for force in SIX:
        await world.verb(restart_line, force=force)
    await eventually(lambda: sum(sum(each.starts.values()) for each in replicas) >= 12)
    await asyncio.sleep(1)
    assert await world.owners() == before


async def test_a_stop_ends_all_lines_whatever_the_database_says(world: World) -> None:
    replica = await world.replica()
    await eventually(lambda: bool(replica.lines.running))

    async def bug(*_: object, **__: object) -> None:
        raise KeyError

    replica.lines._rows.tend = bug  # type: ignore[method-assign, assignment]
    await replica.lines.stop()
    assert not replica.lines.running
    with suppress(KeyError):
        await replica.task
    world.replicas.clear()


async def test_a_stop_does_not_wait_for_a_tick_that_hangs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("following.lines.ANSWER_SECONDS", 0.3)
    replica = await world.replica()
    await eventually(lambda: bool(replica.lines.running))
    replica.lines._rows.tend = _hanging  # type: ignore[method-assign, assignment]
    await eventually(replica.lines._ticking.locked)
    began = time.monotonic()
    await replica.lines.stop()
    assert time.monotonic() - began < 2
    assert not replica.lines.running
    await replica.task
    world.replicas.clear()


async def test_a_new_force_and_a_new_line_are_taken_soon(world: World) -> None:
    replica = await world.replica()
    await eventually(lambda: len(replica.lines.running) == 1)
    world.forces = ["essex", "kent"]
    async with world.connection() as connection:
        await add_line(connection, "kent", "another")
    expected = {Key("essex", LINE), Key("kent", LINE), Key("kent", "another")}
    await eventually(lambda: replica.lines.running == expected, seconds=5)
    world.forces = ["essex"]
    await eventually(lambda: replica.lines.running == {Key("essex", LINE)}, seconds=5)


@pytest.mark.usefixtures("short_leases")
async def test_a_late_commit_of_a_frozen_replica_changes_nothing(world: World) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def hold(replica: str, positions: Sequence[int]) -> None:
        if replica == "replica 0" and not release.is_set():
            begun.set()
            await release.wait()

    first = await world.replica()
    world.log().grow(2)
    await eventually(lambda: world.is_at(2))
    world.before_write = hold
    world.log().grow(3)
    await begun.wait()
    with first.frozen():
        await world.replica()
        await eventually(lambda: world.is_at(5), seconds=SHORT_SECONDS + 2)
        release.set()
        await asyncio.sleep(0.5)
    written = await world.rows("select position, replica from results order by position")
    assert [tuple(row) for row in written] == [
        (1, "replica 0"),
        (2, "replica 0"),
        *((position, "replica 1") for position in (3, 4, 5)),
    ]


async def test_a_stopped_process_is_replaced_and_fenced_when_it_goes_on(world: World) -> None:
    began = time.time()
    async with process(world.database, began) as first:
        await eventually(lambda: _beyond(world, 0))
        first.send_signal(signal.SIGSTOP)
        async with process(world.database, began) as second:
            stopped_at = (await world.status()).position
            await eventually(lambda: _beyond(world, stopped_at), seconds=25)
            (owner,) = (await world.owners()).values()
            first.send_signal(signal.SIGCONT)
            await asyncio.sleep(2)
            assert (await world.owners())["essex"] == owner
            second.send_signal(signal.SIGTERM)
            assert await second.wait() == 0
        position = (await world.status()).position
        await eventually(lambda: _beyond(world, position), seconds=10)
        first.send_signal(signal.SIGTERM)
        assert await first.wait() == 0
    position = (await world.status()).position
    assert await world.results() == list(range(1, position + 1))


async def _beyond(world: World, position: int) -> bool:
    rows = await world.rows("select position from line_cursors")
    return bool(rows) and rows[0]["position"] > position


@asynccontextmanager
async def process(database: DatabaseSettings, began: float) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = (sys.executable, "-m", "tests.contract.following.process", str(began), str(SHORT_SECONDS))
    started = await asyncio.create_subprocess_exec(*arguments, stdin=asyncio.subprocess.PIPE)
    assert started.stdin is not None
    started.stdin.write(database.model_dump_json().encode())
    started.stdin.close()
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.kill()
        await started.wait()


@pytest.mark.usefixtures("short_leases")
async def test_a_process_frozen_inside_its_transaction_holds_the_line_for_seconds_only(world: World) -> None:
    first = await world.replica()
    world.log().grow(2)
    await eventually(lambda: world.is_at(2))
    (row,) = await world.rows("select epoch from lines")
    async with connect(world.database) as frozen:
        transaction = frozen.transaction()
        await transaction.start()
        await frozen.execute("select set_config('gantry.forces', 'essex', true)")
        moved = await frozen.fetchval(
            "select advance_line('essex', $1, $2, 'main', 2, 3, 3)", LINE, row["epoch"]
        )
        assert moved
        await first.kill()
        await world.replica()
        world.log().grow(1)
        await eventually(lambda: world.is_at(3), seconds=SHORT_SECONDS + 8)
        assert frozen.is_closed()
    assert await world.results() == [1, 2, 3]


@pytest.mark.usefixtures("short_leases")
async def test_a_replica_that_cannot_renew_ends_its_lines_by_itself(world: World) -> None:
    replica = await world.replica()
    await eventually(lambda: bool(replica.lines.running))
    tend = replica.lines._rows.tend
    replica.lines._rows.tend = replica.lines._rows.release = _hanging  # type: ignore[method-assign, assignment]
    await eventually(lambda: not replica.lines.running, seconds=SHORT_SECONDS + 3)
    replica.task.cancel()
    with suppress(asyncio.CancelledError):
        await replica.task
    assert tend is not None


async def _hanging(*_: object, **__: object) -> None:
    await asyncio.sleep(3)
    raise TimeoutError


Tend = Callable[[str, str], Awaitable[list[Tended]]]


@pytest.fixture
def tended(database_of_lines: DatabaseSettings, postgres_server: SharedServer) -> Tend:
    """A tick of a replica at a time of the database's clock."""
    superuser = postgres_server.postgres.superuser(database_of_lines.name)

    async def tend(replica: str, present: str) -> list[Tended]:
        async with connect_as(superuser) as connection:
            await connection.execute(
                f"alter database {database_of_lines.name} set gantry.present = '{present}'"
            )
        async with open_pool(database_of_lines) as pool:
            rows = PostgresLines(pool, replica)
            await rows.add(["essex"], [LINE], ["main"])
            return await rows.tend(["essex"], leaving=False)

    return tend


async def test_months_pass(tended: Tend) -> None:
    """The clock of the database is `present()`: a lease of last month is free."""
    (held,) = await tended("old", "2031-01-31 12:00:00+00")
    assert await tended("new", "2031-01-31 12:00:09+00") == []
    (taken,) = await tended("new", "2031-07-01 12:00:00+00")
    assert taken.lease.epoch == held.lease.epoch + 1
    assert await tended("old", "2031-07-01 12:00:01+00") == []


async def test_the_clock_goes_back(tended: Tend) -> None:
    """A replica that died before keeps its lines for as long as a lease lasts, and no longer."""
    (held,) = await tended("old", "2031-01-31 13:00:00+00")
    for second in range(0, 10, 3):
        assert await tended("new", f"2031-01-31 12:00:0{second}+00") == []
    (taken,) = await tended("new", "2031-01-31 12:00:11+00")
    assert taken.lease.epoch == held.lease.epoch + 1


async def test_a_replica_that_lives_keeps_its_lines_when_the_clock_goes_back(tended: Tend) -> None:
    (held,) = await tended("old", "2031-01-31 13:00:00+00")
    for second in range(0, 30, 3):
        assert await tended("new", f"2031-01-31 12:00:{second:02}+00") == []
        assert await tended("old", f"2031-01-31 12:00:{second:02}+00") == [held]


@asynccontextmanager
async def connect_as(arguments: ConnectArguments) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**arguments)
    try:
        yield connection
    finally:
        await connection.close()


async def test_one_query_a_tick_serves_all_lines(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[int] = []
    tend = PostgresLines.tend

    async def counted(self: PostgresLines, forces: Sequence[str], *, leaving: bool) -> object:
        ticks.append(len(forces))
        return await tend(self, forces, leaving=leaving)

    monkeypatch.setattr(PostgresLines, "tend", counted)
    world.forces = [f"force-{number}" for number in range(40)]
    replica = await world.replica()
    await eventually(lambda: len(replica.lines.running) == 40)
    ticks.clear()
    await asyncio.sleep(2)
    assert set(ticks) == {40}
    assert len(ticks) <= 6
    busy = await world.rows("select from pg_stat_activity where datname = current_database()")
    assert len(busy) <= 11, "no line keeps a connection"


async def test_lines_stop_although_their_connections_are_dead(
    database_of_lines: DatabaseSettings, world: World
) -> None:
    async with proxy_to(f"127.0.0.1:{database_of_lines.port}") as proxy:
        host, _, port = proxy.address.rpartition(":")
        world.database = database_of_lines.model_copy(update={"host": host, "port": int(port)})
        replica = await world.replica()
        world.log().grow(2)
        world.database = database_of_lines
        await eventually(lambda: world.is_at(2))
        proxy.silence()
        world.log().grow(2)
        await asyncio.sleep(0.5)
        began = time.monotonic()
        replica.task.cancel()
        await asyncio.wait([replica.task], timeout=20)
        assert replica.task.done()
        assert time.monotonic() - began < 15


async def test_a_replica_that_cannot_hear_the_logs_leaves_its_lines_to_another_one(world: World) -> None:
    world.forces = SIX
    heard = [True, True]
    deaf = await world.replica(hears=lambda: heard[0])
    await world.replica(hears=lambda: heard[1])
    await eventually(shared_out(world, 3, 3))
    async with growing(world):
        heard[0] = False
        await eventually(shared_out(world, 6))
        assert set((await world.owners()).values()) == {world.replicas[1].lines.replica}
        assert not deaf.lines.running
        heard[0] = True
        await eventually(shared_out(world, 3, 3), seconds=5)


async def test_replicas_that_all_cannot_hear_the_logs_keep_trying(world: World) -> None:
    world.forces = SIX
    heard = [True, True]
    for number in range(2):
        await world.replica(hears=lambda number=number: heard[number])
    await eventually(shared_out(world, 3, 3))
    heard[:] = [False, False]
    # Whoever is left alone keeps the lines, so that they go on as soon as the logs can be heard.
    await eventually(shared_out(world, 6))
    async with growing(world):
        heard[:] = [True, True]
        await eventually(shared_out(world, 3, 3), seconds=5)
