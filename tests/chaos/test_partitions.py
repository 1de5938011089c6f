"""One replica is cut off from what it needs, for as long as the fault stands: the other one does its work."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from gantry_sdk import Connection

from tests.chaos.faults import STATED, Fault, Kind, standing
from tests.chaos.flow import Stopwatch, flowing
from tests.chaos.observers import observing
from tests.chaos.progress import all_goes_on
from tests.chaos.schedule import TARGETS
from tests.chaos.verdict import nothing_is_lost_or_doubled
from tests.chaos.wiring import wired_suite

pytestmark = pytest.mark.timeout(900)

CUTS = [
    Fault(kind, process)
    for kind in (Kind.CUT_FROM_POSTGRES, Kind.CUT_FROM_STORE)
    for process in TARGETS[kind]
]


async def test_one_replica_after_the_other_is_cut_off(
    record_property: Callable[[str, object], None],
) -> None:
    watch, late = Stopwatch(), []
    async with wired_suite("essex", "kent") as wired:
        suite, authority = wired.suite, wired.suite.authority.certificate
        async with (
            Connection(
                wired.door.address, authority=authority, server_name="localhost", channels=4
            ) as connection,
            observing(suite, store=wired.stores.address, match=wired.matches.address) as (tails, rooms),
        ):
            async with flowing(suite, connection, 5, tick=0.4) as flow:
                await flow.goes_on(50, within=30)
                for fault in CUTS:
                    stated, began = STATED[fault.kind], watch.start()
                    async with standing(wired, fault):
                        await all_goes_on(suite, flow, within=4 * (stated.despite or 0), what=str(fault))
                        watch.stop(f"despite {fault}", began)
                    if time.monotonic() - began > (stated.despite or 0):
                        late.append(watch.laps[-1])
                    await all_goes_on(suite, flow, within=stated.after, what=f"the end of: {fault}")
                    for process in suite.processes.values():
                        await process.ready()
            await nothing_is_lost_or_doubled(suite, flow, tails, rooms)
    record_property("recovery_seconds", str(watch.longest()))
    assert late == [], watch.laps
