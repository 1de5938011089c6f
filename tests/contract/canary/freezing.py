"""A canary's process that is frozen, and what is to be seen of it afterwards."""

from __future__ import annotations

import asyncio
import signal

from tests.contract.canary.nest import EVERY, LATE, Nest


async def freeze(nest: Nest, seconds: float) -> None:
    """Stop the process for so long. It sends nothing meanwhile but what was under way."""
    nest.send(signal.SIGSTOP)
    before = len(nest.world.taken)
    await asyncio.sleep(seconds)  # the freeze itself, nothing is waited for
    assert len(nest.world.taken) <= before + len(nest.world.active)
    nest.send(signal.SIGCONT)


async def assert_wakes_well(nest: Nest, frozen_for: float) -> None:
    """It goes on as if nothing had been: no burst, and no misses that were none."""
    await nest.until_heard()
    await freeze(nest, frozen_for)
    woken = await nest.series()
    for force in nest.world.active:
        # By then those that were under way would be late.
        due = woken[f"sent_total {force}"] + 2 * LATE / EVERY
        await nest.until(f"sent_total {force}", least=due, within=60)
    shown = await nest.series()
    for force in nest.world.active:
        assert shown[f"missed {force}"] == 0
        assert shown[f"heard_total {force}"] > woken[f"heard_total {force}"]
        assert_at_most_two_in_any_interval(nest, force)
    assert nest.said("canary missed") == []


def assert_at_most_two_in_any_interval(nest: Nest, force: str) -> None:
    """One may be sent late, and the next one in its phase."""
    captured = {
        read.read_id: read.captured_at.ToMicroseconds() / 1e6
        for read in nest.world.taken
        if read.force == force
    }
    times = sorted(captured.values())
    # A hundredth for the two clocks.
    assert all(third - first > 0.99 * EVERY for first, third in zip(times, times[2:], strict=False))
