"""A canary that was frozen goes on as if nothing had been: no burst, and no misses that were none."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.contract.canary.conftest import EVERY, LATE, Nest
from tests.contract.canary.test_canary import AWAY


@pytest.mark.parametrize("frozen_for", [0.5 * LATE, 2 * LATE, 6 * LATE])
async def test_a_frozen_canary_wakes_well(nest: Nest, frozen_for: float) -> None:
    await nest.start()
    await nest.until_heard()
    nest.send(signal.SIGSTOP)
    before = len(nest.world.taken)
    await asyncio.sleep(frozen_for)  # the freeze itself, nothing is waited for
    assert len(nest.world.taken) <= before + 2, "a frozen process sends nothing but what was under way"
    before = len(nest.world.taken)
    nest.send(signal.SIGCONT)
    await asyncio.sleep(EVERY)
    assert len(nest.world.taken) <= before + 4, "two forces, each at most two in any interval"
    missed = 0.0
    heard = await nest.series()
    for _ in range(10):
        shown = await nest.series()
        missed = max(missed, *(shown[f"missed {force}"] for force in ("essex", "kent")))
        await asyncio.sleep(LATE / 5)
    assert missed == 0
    assert (await nest.series())["heard_total essex"] > heard["heard_total essex"]
    assert nest.said("canary missed") == []


async def test_what_was_missed_before_a_freeze_stays_missed(nest: Nest) -> None:
    nest.world.faults["SubmitReads"] = AWAY
    await nest.start()
    await nest.until("missed essex", least=3)
    nest.send(signal.SIGSTOP)
    await asyncio.sleep(2 * LATE)
    nest.send(signal.SIGCONT)
    shown = await nest.series()
    assert 3 <= shown["missed essex"] <= 3 + LATE / EVERY + 1
    nest.world.faults.clear()
    await nest.until_heard()


async def test_no_burst_when_sending_works_again(nest: Nest) -> None:
    nest.world.faults["WatchCanary"] = AWAY
    await nest.start(EVERY_SECONDS=0.2)
    await nest.until("sent_total essex", least=20)
    assert nest.world.taken == []
    nest.world.faults.clear()
    await nest.until("heard_total essex", least=1)
    assert nest.world.taken_of("essex") < 10, "those that were due before are not sent any more"
