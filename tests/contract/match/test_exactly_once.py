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

from chassis.database import in_forces, open_pool
from chassis.database_faults import DATABASE_TROUBLE
from chassis.errors import Fault
from chassis.settings import DatabaseSettings
from following.rows import restart_line
from services.match.alerts.postgres import PostgresAlerts
from services.match.matching.postgres import PostgresRaising
from tests.contract.match.killed_process import whole_log
from tests.contract.match.memory_log import MemoryLog, Seen
from tests.contract.match.replica import FORCE, alerts_of, eventually, load, position_of, replica
from tests.contract.match.sightings import append_all, expected, load_lists, raised, sightings


class Accidents:
    """Breaks the connection on the first alert and then now and then, before or after its commit."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._real = PostgresRaising.raise_alerts
        self.count = 0

    async def raise_alerts(self, raising: PostgresRaising, *arguments, **options):
        breaks = not self.count or self._chance.random() < 0.4
        self.count += breaks
        if breaks and self._chance.random() < 0.5:
            raise ConnectionResetError
        outcome = await self._real(raising, *arguments, **options)
        if breaks:
            raise asyncpg.ConnectionDoesNotExistError
        return outcome


async def restart_often(database: DatabaseSettings, chance: random.Random) -> None:
    """Give the line a new epoch again and again, as the activation of a hotlist does."""
    async with open_pool(database) as pool:
        while True:
            async with in_forces(pool, FORCE) as connection:
                await restart_line(connection, FORCE, "match")
            await asyncio.sleep(chance.uniform(0, 0.2))


@pytest.mark.parametrize("seed", range(2))
async def test_broken_connections_and_new_epochs_leave_nothing_out_and_nothing_twice(
    match_database, log, seed, monkeypatch
):
    chance = random.Random(seed)
    await load_lists(match_database, log)
    accidents = Accidents(chance)

    # A function, so that it becomes a method of each PostgresRaising.
    async def raise_alerts(raising: PostgresRaising, *arguments, **options):
        return await accidents.raise_alerts(raising, *arguments, **options)

    monkeypatch.setattr(PostgresRaising, "raise_alerts", raise_alerts)
    reads = sightings(chance, 300)
    async with replica(match_database, log) as match:
        restarting = asyncio.create_task(restart_often(match_database, chance))
        await append_all(log, reads, chance)
        restarting.cancel()
        await asyncio.wait([restarting])
        await eventually(lambda: _passed(match.alerts, log.head))
    assert accidents.count
    assert await raised(match_database) == expected(reads)


@pytest.mark.parametrize("seed", range(2))
async def test_replicas_that_come_and_go_leave_nothing_out_and_nothing_twice(match_database, log, seed):
    chance = random.Random(100 + seed)
    await load_lists(match_database, log)
    reads = sightings(chance, 300)
    appending = asyncio.create_task(append_all(log, reads, chance))
    while not appending.done():
        async with replica(match_database, log):
            await asyncio.sleep(chance.uniform(0, 0.3))
    async with replica(match_database, log) as match:
        await eventually(lambda: _passed(match.alerts, log.head))
    assert await raised(match_database) == expected(reads)


async def test_an_outage_of_the_database_costs_no_alert(match_database, log, postgres_server):
    chance = random.Random(7)
    await load_lists(match_database, log)
    reads = sightings(chance, 200)
    async with replica(match_database, log) as match:
        await append_all(log, reads[:100], chance)
        await cut_all_sessions(postgres_server, match_database.name)
        await append_all(log, reads[100:], chance)
        await cut_all_sessions(postgres_server, match_database.name)
        await eventually(lambda: _passed(match.alerts, log.head))
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
    async with replica(match_database, first_log) as first:
        # Whichever of the two came first holds the lease until it leaves.
        await eventually(lambda: _followed(first_log))
        async with replica(match_database, second_log):
            await load(first, "0B1,why")
            position = first_log.append(read)
            assert second_log.append(read) == position
            await eventually(lambda: _raised_any(match_database))
            assert second_log.follows == []
            await first.stop()
            async with asyncio.timeout(3):
                await eventually(lambda: _followed(second_log))
            assert second_log.follows == [position]
    assert len(await alerts_of(match_database)) == 1


async def test_a_replica_that_leaves_right_after_an_import_hands_over_at_once(match_database):
    log = MemoryLog()
    async with replica(match_database, MemoryLog()) as first:
        await load(first, "0B1,why")
    async with replica(match_database, log), asyncio.timeout(3):
        await eventually(lambda: _followed(log))


async def _followed(log: MemoryLog) -> bool:
    return bool(log.follows)


async def _passed(alerts: PostgresAlerts, position: int) -> bool:
    try:
        return await position_of(alerts) >= position
    except (Fault, *DATABASE_TROUBLE):
        return False


async def _raised_any(match_database) -> bool:
    return bool(await alerts_of(match_database))


@pytest.mark.parametrize("seed", range(2))
async def test_kill_9_costs_no_alert_and_repeats_none(match_database, log, seed):
    chance = random.Random(seed)
    await load_lists(match_database, log)
    whole = await whole_log(seed)
    targets = [*sorted(chance.sample(range(whole.head), 4)), whole.head]
    async with forks(seed, match_database) as begin, open_pool(match_database) as pool:
        alerts = PostgresAlerts(pool)
        for target in targets:
            process = await begin()
            await eventually(lambda target=target: _passed(alerts, target))
            os.kill(process, signal.SIGKILL)
            await expire_leases(pool)
        assert await position_of(alerts) == whole.head
    assert await raised(match_database) == expected(whole.appended)


async def expire_leases(pool: asyncpg.Pool) -> None:
    """Let ten seconds pass for the leases of a replica that is dead."""
    async with in_forces(pool, FORCE) as connection:
        await connection.execute("update lines set expires_at = present()")
        await connection.execute("update replicas set expires_at = present()")


async def test_a_process_that_was_frozen_raises_nothing_that_another_has_raised(match_database, log):
    await load_lists(match_database, log)
    whole = await whole_log(0)
    async with forks(0, match_database) as begin, open_pool(match_database) as pool:
        alerts = PostgresAlerts(pool)
        frozen = await begin()
        await eventually(lambda: _passed(alerts, 1))
        os.kill(frozen, signal.SIGSTOP)
        if await position_of(alerts) < whole.head:
            other = await begin()
            await eventually(lambda: _passed(alerts, whole.head))
            os.kill(other, signal.SIGKILL)
        os.kill(frozen, signal.SIGCONT)
        await asyncio.sleep(0.5)
        os.kill(frozen, signal.SIGKILL)
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
