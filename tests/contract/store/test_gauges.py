"""What the gauges of the store show while the fault happens that their alarms are for."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from chassis import database
from chassis.database import open_pool
from chassis.errors import Unavailable
from chassis.metrics import Gauge
from chassis.settings import DatabaseSettings
from services.store import gauges
from services.store.days import US_A_DAY
from services.store.forces.postgres import PostgresForces
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.reads import columns
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.usefixtures("two_forces")

MATCH = ("essex", "match")


async def shown(gauge: Gauge) -> dict[tuple[Any, ...], float]:
    """The values by their labels, as an exporter reads them: in another thread, and not those of before."""
    await asyncio.sleep(0.6)
    observed = await asyncio.to_thread(lambda: list(gauge._observed(None)))  # type: ignore[arg-type]
    return {tuple((each.attributes or {}).values()): each.value for each in observed}


async def test_the_lag_of_a_consumer_that_does_not_exist_any_more_grows(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    assert (await shown(gauges._lag_reads))[MATCH] == 0
    assert (await shown(gauges._lag_seconds))[MATCH] == 0
    await ingest.append("essex", columns(5, at_us=store.clock()))
    store.clock.ahead_us = 120_000_000
    await ingest.append("essex", columns(6, at_us=store.clock()))
    assert (await shown(gauges._lag_reads))[MATCH] == 11
    assert 120 <= (await shown(gauges._lag_seconds))[MATCH] < 180
    assert (await shown(gauges._lag_reads))["kent", "match"] == 0
    await match.report_cursor("essex", "match", 5)
    assert (await shown(gauges._lag_reads))[MATCH] == 6
    assert (await shown(gauges._lag_seconds))[MATCH] < 60
    assert (await shown(gauges._position))["essex",] == 11


async def test_a_retired_force_is_shown_as_such(store: RunningStore) -> None:
    assert await shown(gauges._active) == {("essex",): 1, ("kent",): 1}
    await PostgresForces(store.pool).retire("essex")
    assert await shown(gauges._active) == {("essex",): 0, ("kent",): 1}


async def test_a_canary_is_no_lag_of_a_consumer_but_a_read_behind_it_is(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    await ingest.append("essex", columns(5, at_us=store.clock()))
    await match.report_cursor("essex", "match", 5)
    for _ in range(2):
        await ingest.append("essex", columns(1, at_us=store.clock()), canary=True)
        store.clock.ahead_us += 60_000_000
    assert (await shown(gauges._position))["essex",] == 7
    assert (await shown(gauges._lag_reads))[MATCH] == 0
    assert (await shown(gauges._lag_seconds))[MATCH] == 0
    await ingest.append("essex", columns(2, at_us=store.clock()))
    store.clock.ahead_us += 30_000_000
    # Counted by positions, as the gaps that duplicates leave are; the time is that of the reads alone.
    assert (await shown(gauges._lag_reads))[MATCH] == 4
    assert 30 <= (await shown(gauges._lag_seconds))[MATCH] < 60


async def test_days_past_their_time_are_counted_while_a_consumer_lacks_them(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    await ingest.append("essex", columns(5, at_us=store.clock()))
    assert await shown(gauges._overdue) == {("essex",): 0, ("kent",): 0}
    store.clock.ahead_us = 9 * US_A_DAY
    assert await shown(gauges._overdue) == {("essex",): 1, ("kent",): 0}
    await match.report_cursor("essex", "match", 5)
    assert await shown(gauges._overdue) == {("essex",): 0, ("kent",): 0}


async def test_the_breaker_shows_the_force_whose_appends_fail(start_store: StartStore) -> None:
    failing = False

    async def before_commit() -> None:
        if failing:
            raise Unavailable("DATABASE_UNAVAILABLE", "away")

    store = await start_store(before_commit=before_commit)
    ingest = await store.log("ingest")
    for force in ("essex", "kent"):
        await ingest.append(force, columns(1, at_us=store.clock()))
    failing = True
    with pytest.raises(Unavailable):
        await ingest.append("essex", columns(2, at_us=store.clock()))
    observed = {each.attributes["force"]: each.value for each in gauges._breaker_open._observed(None)}
    assert observed == {"essex": 1, "kent": 0}


async def test_a_store_that_has_ended_shows_nothing(start_store: StartStore) -> None:
    store = await start_store()
    assert await shown(gauges._position)
    await store.stop()
    assert await shown(gauges._position) == {}


async def test_the_largest_day_and_the_free_disk_are_shown(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    assert await shown(gauges._day_bytes) == {(): 0}
    await ingest.append("essex", columns(2_000, at_us=store.clock()))
    (size,) = (await shown(gauges._day_bytes)).values()
    assert 2_000 * 50 < size < 2_000 * 500
    await ingest.append("kent", columns(2_000, at_us=store.clock()))
    (both,) = (await shown(gauges._day_bytes)).values()
    assert both > 1.5 * size, "the forces share the disk"
    await ingest.append("essex", columns(10, at_us=store.clock() - 2 * US_A_DAY))
    assert await shown(gauges._day_bytes) == {(): both}, "a small day is not the largest"
    free = await shown(gauges._disk_free)
    disk = os.statvfs(store.images)
    assert free["images",] == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.05)


async def test_the_queue_of_a_force_fills_while_its_commits_hang(start_store: StartStore) -> None:
    hanging = asyncio.Event()

    async def before_commit() -> None:
        await hanging.wait()

    store = await start_store(before_commit=before_commit, queue_reads=1_000)
    ingest = await store.log("ingest")
    appends = [
        asyncio.create_task(ingest.append("essex", columns(300, at_us=store.clock()))) for _ in range(4)
    ]

    async def fills() -> bool:
        return max((await shown(gauges._queue_share)).values(), default=0) >= 0.3

    await eventually(fills, within=10, what="the queue fills")
    hanging.set()
    await asyncio.gather(*appends)
    assert await shown(gauges._queue_share) == {("essex",): 0}


async def test_connections_in_use_are_a_share_of_the_pool(database_settings: DatabaseSettings) -> None:
    async with open_pool(database_settings.model_copy(update={"pool_size": 4})) as pool:
        assert await shown(database._pool_share) == {(): 0}
        async with pool.acquire():
            assert await shown(database._pool_share) == {(): 0.25}
    assert await shown(database._pool_share) == {}
