"""A canary's process is frozen, shortly and for long, while all is well and while it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.errors import Unavailable
from suite.certificates import Authority
from tests.contract.canary.freezing import assert_wakes_well, freeze
from tests.contract.canary.nest import EVERY, LATE, Nest, nesting

AWAY = Unavailable("STORE_UNAVAILABLE", "the store is unavailable", retry_after=0.1)


@pytest.fixture
async def nest(tmp_path: Path, pki: Authority) -> AsyncIterator[Nest]:
    async with nesting(tmp_path, pki) as made:
        yield made


@pytest.mark.parametrize("frozen_for", [0.5 * LATE, 2 * LATE, 6 * LATE])
async def test_a_frozen_canary_wakes_well(nest: Nest, frozen_for: float) -> None:
    await nest.start()
    await assert_wakes_well(nest, frozen_for)


async def test_what_was_missed_before_a_freeze_stays_missed(nest: Nest) -> None:
    nest.world.fail("SubmitReads", AWAY)
    await nest.start()
    await nest.until("missed essex", least=3)
    await freeze(nest, 2 * LATE)
    shown = await nest.series()
    assert 3 <= shown["missed essex"] <= 3 + LATE / EVERY + 1
    nest.world.faults.clear()
    await nest.until_heard()


async def test_no_burst_when_sending_works_again(nest: Nest) -> None:
    nest.world.fail("WatchCanary", AWAY)
    await nest.start(EVERY_SECONDS=0.2)
    await nest.until("sent_total essex", least=20)
    assert nest.world.taken == []
    nest.world.faults.clear()
    await nest.until("heard_total essex", least=1)
    assert nest.world.taken_of("essex") < 10, "those that were due before are not sent any more"
