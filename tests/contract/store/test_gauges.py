"""What the gauges of the store show while the fault happens that their alarms are for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chassis.errors import Unavailable
from chassis.metrics import Gauge
from services.store import gauges
from services.store.days import US_A_DAY
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.reads import columns

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
