"""A canary that was frozen goes on as if nothing had been. More: tests/chaos, tests/unit/canary."""

from __future__ import annotations

from tests.contract.canary.freezing import assert_wakes_well
from tests.contract.canary.nest import LATE, Nest


async def test_a_frozen_canary_wakes_well(nest: Nest) -> None:
    await nest.start()
    await assert_wakes_well(nest, 1.5 * LATE)
