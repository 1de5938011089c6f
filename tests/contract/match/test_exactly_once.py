"""Each (read, entry) alerts exactly once, whatever dies, repeats or races."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from chassis.database import open_pool
from chassis.settings import DatabaseSettings
from services.match.feed import Feed
from services.match.follower import Follower
from services.match.leases import Lease
from services.match.live_index import LiveIndex
from services.match.postgres import PostgresMatching
from services.match.postgres_alerts import PostgresAlerts
from services.match.postgres_hotlists import PostgresHotlists
from tests.contract.match.killed_process import whole_log
from tests.contract.match.memory_log import MemoryLog, Seen
from tests.contract.match.replica import FORCE, alerts_of, eventually, load, replica
from tests.contract.match.sightings import append_all, expected, load_lists, raised, sightings


class Grants:
    """Gives everybody the lease, so that only the cursor keeps followers apart."""

    async def lease(self, force: str) -> Lease:
        return Lease()


class Accidents:
    """A database connection that breaks the first time and then now and then, before or after it was done."""

    def __init__(self, real: PostgresMatching, chance: random.Random) -> None:
        self._real = real
        self._chance = chance
        self.cursor = real.cursor
        self.tripped = 0

    @asynccontextmanager
    async def raising(self, force):
        async with self._real.raising(force) as raising:
            real = raising.raise_alerts
            raising.raise_alerts = lambda *arguments: self._perhaps(real, arguments)
            move = raising.move
            raising.move = lambda *arguments: self._perhaps(move, arguments)
            yield raising

    async def _perhaps(self, act, arguments):
        breaks = not self.tripped or self._chance.random() < 0.4
        self.tripped += breaks
        before = self._chance.random() < 0.5
        if breaks and before:
            raise ConnectionResetError
        outcome = await act(*arguments)
        if breaks:
            raise asyncpg.ConnectionDoesNotExistError
        return outcome


@pytest.mark.parametrize("seed", range(2))
async def test_two_followers_without_a_lease_on_a_bad_network_raise_each_alert_once(
    match_database, log, seed
):
    chance = random.Random(seed)
    await load_lists(match_database, log)
    reads = sightings(chance, 300)
    async with open_pool(match_database) as pool:
        matchings = [Accidents(PostgresMatching(pool), chance) for _ in range(2)]
        followers = [
            Follower(
                FORCE,
                log=log,
                matching=matching,
                index=LiveIndex(FORCE, PostgresHotlists(pool)),
                leases=Grants(),
                feed=Feed(FORCE, PostgresAlerts(pool)),
            )
            for matching in matchings
        ]
        tasks = [asyncio.create_task(follower.run()) for follower in followers]
        await append_all(log, reads, chance)

        async def done() -> bool:
            assert not any(task.done() for task in tasks)
            return (await matchings[0].cursor(FORCE)).position == log.head

        await eventually(done)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert any(matching.tripped for matching in matchings)
    assert await raised(match_database) == expected(reads)


@pytest.mark.parametrize("seed", range(2))
async def test_replicas_that_are_cut_off_anywhere_leave_nothing_out_and_nothing_twice(
    match_database, log, seed
):
    chance = random.Random(100 + seed)
    await load_lists(match_database, log)
    reads = sightings(chance, 300)
    appending = asyncio.create_task(append_all(log, reads, chance))
    while not appending.done():
        async with replica(match_database, log):
            await asyncio.sleep(chance.uniform(0, 0.3))
    async with replica(match_database, log) as match:

        async def done() -> bool:
            return (await match.matching.cursor(FORCE)).position == log.head

        await eventually(done)
    assert await raised(match_database) == expected(reads)


async def test_the_database_going_away_costs_no_alert(match_database, log, postgres_server):
    chance = random.Random(7)
    await load_lists(match_database, log)
    reads = sightings(chance, 200)
    async with replica(match_database, log) as match:
        await append_all(log, reads[:100], chance)
        await cut_all_sessions(postgres_server, match_database.name)
        await append_all(log, reads[100:], chance)
        await cut_all_sessions(postgres_server, match_database.name)

        async def done() -> bool:
            try:
                return (await match.matching.cursor(FORCE)).position == log.head
            except (asyncpg.PostgresError, asyncpg.InterfaceError):
                return False

        await eventually(done)
    assert await raised(match_database) == expected(reads)


async def cut_all_sessions(postgres_server, name: str) -> None:
    connection = await asyncpg.connect(**postgres_server.postgres.superuser())
    try:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
        )
    finally:
        await connection.close()


async def test_another_replica_takes_over_a_force_when_one_leaves(match_database):
    first_log, second_log = MemoryLog(), MemoryLog()
    read = Seen("0B1")
    async with replica(match_database, second_log) as second:
        # Whichever of the two came first holds the lease until it leaves.
        await eventually(lambda: _followed(second_log))
        async with replica(match_database, first_log):
            await load(second, "0B1,why")
            position = first_log.append(read)
            assert second_log.append(read) == position
            await eventually(lambda: _raised_any(match_database))
            assert first_log.follows == []
    async with replica(match_database, first_log):
        await eventually(lambda: _followed(first_log))
    assert first_log.follows == [position]
    assert len(await alerts_of(match_database)) == 1


async def _followed(log: MemoryLog) -> bool:
    return bool(log.follows)


async def _passed(matching: PostgresMatching, position: int) -> bool:
    return (await matching.cursor(FORCE)).position >= position


async def _raised_any(match_database) -> bool:
    return bool(await alerts_of(match_database))


async def test_a_lease_that_is_lost_stops_its_follower(match_database, log, postgres_server):
    async with replica(match_database, log) as match:
        await eventually(lambda: _followed(log))
        await cut_all_sessions(postgres_server, match_database.name)
        await eventually(lambda: _followed_twice(log))
        position = log.append(Seen("0B1"))

        async def done() -> bool:
            return (await match.matching.cursor(FORCE)).position == position

        await eventually(done)


async def _followed_twice(log: MemoryLog) -> bool:
    return len(log.follows) > 1


@pytest.mark.parametrize("seed", range(2))
async def test_kill_9_costs_no_alert_and_repeats_none(match_database, log, seed):
    chance = random.Random(seed)
    await load_lists(match_database, log)
    whole = await whole_log(seed)
    targets = [*sorted(chance.sample(range(whole.head), 4)), whole.head]
    async with forks(seed, match_database) as begin, open_pool(match_database) as pool:
        matching = PostgresMatching(pool)
        for target in targets:
            process = await begin()
            await eventually(lambda target=target: _passed(matching, target))
            os.kill(process, signal.SIGKILL)
        assert (await matching.cursor(FORCE)).position == whole.head
    assert await raised(match_database) == expected(whole.appended)


@asynccontextmanager
async def forks(seed: int, database: DatabaseSettings) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Gives a function that starts a process that matches, and returns its id."""
    mother = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.match.killed_process", str(seed)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert mother.stdin is not None
    assert mother.stdout is not None
    commands, answers = mother.stdin, mother.stdout
    commands.write(database.model_dump_json().encode() + b"\n")

    async def begin() -> int:
        commands.write(b"fork\n")
        return int(await answers.readline())

    try:
        yield begin
    finally:
        commands.close()
        await mother.wait()
