"""Each (read, entry) alerts exactly once, whatever dies, repeats or races."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import asyncpg
import pytest

from anpr.confusable import fold
from chassis.database import open_pool
from services.match.follower import Follower
from services.match.leases import Lease
from services.match.live_index import LiveIndex
from services.match.postgres import PostgresMatching
from services.match.postgres_hotlists import PostgresHotlists
from tests.contract.match.memory_log import NOON_US, MemoryLog, Seen
from tests.contract.match.replica import FORCE, alerts_of, eventually, load, replica

PLATES = [a + b + c for a in "0OQ8" for b in "B8I" for c in "1L"]
LISTS = {"near": (True, PLATES[::3]), "exact": (False, PLATES[1::2])}


class Grants:
    """Gives everybody the lease, so that only the cursor keeps followers apart."""

    async def lease(self, force: str) -> Lease:
        return Lease()


class Accidents:
    """A database connection that breaks now and then, before or after what was asked for was done."""

    def __init__(self, real: PostgresMatching, chance: random.Random) -> None:
        self._real = real
        self._chance = chance
        self.cursor = real.cursor
        self.entries = real.entries
        self.tripped = 0

    async def move(self, *arguments):
        return await self._perhaps(self._real.move, arguments)

    async def raise_alerts(self, *arguments):
        return await self._perhaps(self._real.raise_alerts, arguments)

    async def _perhaps(self, act, arguments):
        kind = self._chance.random()
        if kind < 0.2:
            self.tripped += 1
            raise ConnectionResetError
        outcome = await act(*arguments)
        if kind > 0.8:
            self.tripped += 1
            raise asyncpg.ConnectionDoesNotExistError
        return outcome


def sightings(chance: random.Random, count: int) -> list[Seen]:
    fresh = [
        Seen(chance.choice(PLATES), f"camera-{chance.randrange(3)}", f"r{number}", NOON_US + number)
        for number in range(count)
    ]
    # A vendor that resends after the buffer has forgotten makes the log hold a read twice.
    again = [chance.choice(fresh) for _ in range(count // 5)]
    return chance.sample([*fresh, *again], k=len(fresh) + len(again))


def expected(reads: Sequence[Seen]) -> set[tuple[object, ...]]:
    return {
        (read.camera_id, read.captured_at_us, read.read_id, name, entry)
        for read in reads
        for name, (near, entries) in LISTS.items()
        for entry in entries
        if entry == read.vrm or (near and fold(entry) == fold(read.vrm))
    }


async def raised(match_database) -> Counter[tuple[object, ...]]:
    alerts = await alerts_of(match_database)
    assert [alert.alert_id for alert in alerts] == [str(number) for number in range(1, len(alerts) + 1)]
    return Counter(
        (
            alert.read.camera_id,
            alert.read.captured_at.ToMicroseconds(),
            alert.read.read_id,
            alert.hotlist,
            alert.entry_vrm,
        )
        for alert in alerts
    )


async def append_all(log: MemoryLog, reads: Sequence[Seen], chance: random.Random) -> None:
    rest = list(reads)
    while rest:
        size = chance.randint(1, 9)
        log.append(*rest[:size])
        del rest[:size]
        await asyncio.sleep(chance.choice((0, 0, 0.005)))


async def load_lists(match_database, log) -> None:
    async with replica(match_database, log) as match:
        for name, (near, entries) in LISTS.items():
            await load(match, *(f"{entry},why" for entry in entries), name=name, near=near)


@pytest.mark.parametrize("seed", range(3))
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
    assert all(matching.tripped for matching in matchings)
    assert await raised(match_database) == Counter(expected(reads))


@pytest.mark.parametrize("seed", range(3))
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
    assert await raised(match_database) == Counter(expected(reads))


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
    assert await raised(match_database) == Counter(expected(reads))


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
