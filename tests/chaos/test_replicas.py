"""Two replicas of everything: one of them dies, freezes or is stopped while the reads of two forces flow."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from gantry_sdk import Connection

from suite.database import SERVICES
from suite.plan import replica_name
from suite.suite import Suite
from tests.chaos.flow import Flow, Stopwatch, flowing
from tests.chaos.observers import observing
from tests.chaos.progress import COMMITTED, LOG_READS, all_goes_on, owners, rows
from tests.chaos.replicas import Doubled, doubled_suite
from tests.chaos.verdict import nothing_is_lost_or_doubled
from tests.e2e.pages import counter
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.timeout(900)

# The machine runs all of it on two cores, so each bound has a few seconds more than the promise.
AFTER_A_KILL = 20.0
AFTER_A_STOP = 8.0
AFTER_A_FREEZE = {"store": 20.0, "match": 20.0, "nas_bridge": 20.0, "ingest": 25.0}
"""A lease lasts 10 s, a follower waits 15 s, a keep-alive comes after 10 s and is missed after 5 s."""
TAKEN_OVER_WITHIN = 2.0
AFTER_A_RESTART = 20.0
LINES = {"match": 2, "nas_bridge": 4}
STEADY_READS = 2_000
STATISTICS_SECONDS = 11.0
"""After ten idle seconds a session of PostgreSQL has told what it counted."""
READS_AT_STARTS = 40
"""A follower begins with a read of the log, and lines that move to the second replica begin twice."""


@dataclass(frozen=True)
class Running:
    """What every part of the test uses."""

    doubled: Doubled
    flow: Flow
    watch: Stopwatch

    @property
    def suite(self) -> Suite:
        return self.doubled.suite

    async def goes_on(self, what: str, *, within: float) -> None:
        """Reads of each feed are acknowledged, matched and delivered; how long that took is recorded."""
        started = self.watch.start()
        await all_goes_on(self.suite, self.flow, within=within, what=what)
        self.watch.stop(what, started)


async def test_one_replica_of_each_dies_freezes_and_stops(
    record_property: Callable[[str, object], None],
) -> None:
    watch = Stopwatch()
    async with doubled_suite("essex", "kent") as doubled:
        suite = doubled.suite
        async with (
            _vendors(doubled) as connection,
            observing(suite, store=doubled.store, match=doubled.match) as (tails, rooms),
        ):
            async with flowing(suite, connection, 1, tick=0.2) as flow:
                running = Running(doubled, flow, watch)
                await flow.goes_on(100, within=AFTER_A_KILL)
                await _lines_are_shared(suite)
                for process in ("ingest", "ingest-2"):
                    assert await counter(suite, process, "gantry_ingest_streams", "") == {"": 2}
                # At first each replica of ingest has half of the feeds.
                for service in SERVICES:
                    await _freeze(running, service)
                for service in SERVICES:
                    await _stop(running, service)
                for service in SERVICES:
                    await _kill(running, service)
                for number in (signal.SIGINT, signal.SIGQUIT):
                    await suite.postgres.crash(number)
                    await running.goes_on(f"PostgreSQL's {number.name}", within=AFTER_A_RESTART)
                await _lines_are_shared(suite)
            await nothing_is_lost_or_doubled(suite, flow, tails, rooms)
    record_property("recovery_seconds", str(watch.longest()))


async def test_followers_at_two_replicas_are_served_from_memory() -> None:
    """Eight followers; each commit is foreign to one store, which reads it from the database once at most."""
    async with (
        doubled_suite("essex", "kent") as doubled,
        _vendors(doubled) as connection,
        observing(doubled.suite, store=doubled.store, match=doubled.match),
    ):
        suite = doubled.suite
        await _lines_are_shared(suite)
        async with flowing(suite, connection, 1) as flow:
            await flow.goes_on(STEADY_READS, within=120)
            await all_goes_on(suite, flow, within=AFTER_A_STOP, what="steady traffic")
        for store in ("store", "store-2"):
            stored = await counter(suite, store, "gantry_store_reads", "force")
            assert sum(stored.values()) > STEADY_READS / 4
        await asyncio.sleep(STATISTICS_SECONDS)
        commits, log_reads = [(await rows(suite, each))[0][0] for each in (COMMITTED, LOG_READS)]
        assert commits > STEADY_READS / 20
        assert log_reads <= commits + READS_AT_STARTS


@asynccontextmanager
async def _vendors(doubled: Doubled) -> AsyncIterator[Connection]:
    """A connection for each feed, so that both replicas of ingest have some."""
    authority = doubled.suite.authority.certificate
    async with Connection(
        doubled.door, authority=authority, server_name="localhost", channels=4
    ) as connection:
        yield connection


async def _lines_are_shared(suite: Suite) -> None:
    """Each of two replicas holds half of the lines."""

    async def shared() -> bool:
        held = await owners(suite)
        for service, lines in LINES.items():
            mine = [owner for line, owner in held.items() if line.startswith(service)]
            if None in mine or sorted(map(mine.count, set(mine))) != [lines // 2, lines // 2]:
                return False
        return True

    await eventually(shared, within=AFTER_A_KILL, what="an equal share of the lines for each replica")


async def _stop(running: Running, service: str) -> None:
    """A graceful stop: the other replica has the lines at once."""
    suite, process = running.suite, replica_name(service, 2)
    before = set((await owners(suite)).values())
    stopping, started = asyncio.create_task(suite.process(process).stop()), time.monotonic()
    if service in LINES:

        async def taken_over() -> bool:
            mine = {owner for line, owner in (await owners(suite)).items() if line.startswith(service)}
            return len(mine) == 1 and mine <= before

        await eventually(taken_over, within=TAKEN_OVER_WITHIN, what=f"the takeover of {service}'s lines")
        running.watch.stop(f"{service}'s lines taken over after a stop", started)
    await running.goes_on(f"a stop of {service}", within=AFTER_A_STOP)
    assert await stopping == 0
    await suite.restart(process)


async def _kill(running: Running, service: str) -> None:
    """kill -9 of each replica; it is started again."""
    for process in (service, replica_name(service, 2)):
        await running.suite.process(process).kill()
        await running.goes_on(f"a kill of {process}", within=AFTER_A_KILL)
        await running.suite.process(process).ready()


async def _freeze(running: Running, service: str) -> None:
    """A replica that neither answers nor closes a connection; it goes on later and changes nothing."""
    process = running.suite.process(replica_name(service, 2))
    process.send(signal.SIGSTOP)
    try:
        await running.goes_on(f"a freeze of {service}", within=AFTER_A_FREEZE[service])
    finally:
        process.send(signal.SIGCONT)
    await running.goes_on(f"a thaw of {service}", within=AFTER_A_STOP)
    await process.ready()
