"""The canary of a force over minutes: when it sends, what it counts, and what a freeze does to it."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest

from chassis.errors import Unavailable
from services.canary.force_canary import Timing
from tests.unit.canary.virtual_time import freeze, in_virtual_time, now
from tests.unit.canary.world import World, flying

USUAL = Timing()
HASTY = Timing(every=1.5, late=1.0)
AWAY = Unavailable("STORE_UNAVAILABLE", "the store is unavailable")
SLACK = 2.0
"""Seconds of a tick and of the calls."""


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The messages of the log with their causes."""
    return [(record.getMessage(), getattr(record, "cause", "")) for record in caplog.records]


@in_virtual_time
async def test_one_a_minute_in_its_phase() -> None:
    world = World()
    async with flying(world, USUAL, phase=0.5) as canary:
        await asyncio.sleep(605)
    assert [int(at) // 60 for at in world.taken_at] == list(range(10))
    assert all(30 <= at % 60 <= 30 + SLACK for at in world.taken_at)
    assert (canary.judge.due, canary.judge.heard, canary.judge.missed) == (10, 10, 0)
    assert (len(world.prepared_at), len(world.enrolled_at)) == (1, 1)


@pytest.mark.parametrize("frozen_for", [5.0, 0.5 * USUAL.late, 2 * USUAL.late, 6 * USUAL.late, 3600.0])
@pytest.mark.parametrize("moment", [0.05, 0.5, 30.0, 59.95])
@in_virtual_time
async def test_a_freeze_makes_no_misses_and_no_burst(
    frozen_for: float, moment: float, caplog: pytest.LogCaptureFixture
) -> None:
    """`moment` is when it freezes, in seconds after a canary was due."""
    caplog.set_level(logging.INFO)
    world = World()
    async with flying(world, USUAL, phase=0.5) as canary:
        await asyncio.sleep(150 + moment)
        freeze(frozen_for)
        woken, heard = now(), canary.judge.heard
        for _ in range(300):
            await asyncio.sleep(1)
            assert canary.judge.missed == 0
    assert canary.judge.heard >= heard + 4
    # One that was under way may be sent beside the next: never more in any interval.
    assert all(third - first >= 60 for first, third in zip(world.taken_at, world.taken_at[2:], strict=False))
    assert all(at % 60 - 30 <= SLACK for at in world.taken_at if at > woken + SLACK), "it keeps its phase"
    assert said(caplog) == ([("was frozen", "")] if frozen_for > USUAL.asleep else [])


@in_virtual_time
async def test_pauses_that_are_no_freeze_do_not_count_as_listening() -> None:
    world = World(deaf=True)
    async with flying(world, USUAL) as canary:
        await asyncio.sleep(1.5)
        for _ in range(4):
            freeze(0.9 * USUAL.asleep)
            await asyncio.sleep(1.5)
        assert canary.judge.due == 1
        assert now() > USUAL.late + SLACK
        assert canary.judge.missed == 0
        await asyncio.sleep(USUAL.late)
        assert canary.judge.missed == 1


@pytest.mark.parametrize("frozen_for", [0.5 * USUAL.late, 2 * USUAL.late, 6 * USUAL.late])
@in_virtual_time
async def test_what_was_missed_before_a_freeze_stays_missed(frozen_for: float) -> None:
    world = World(faults={"send": AWAY})
    async with flying(world, USUAL) as canary:
        await asyncio.sleep(2 * 60 + USUAL.late + SLACK)
        assert canary.judge.missed == 3
        freeze(frozen_for)
        await asyncio.sleep(2 * USUAL.tick)
        assert canary.judge.missed == 3
        world.faults.clear()
        await asyncio.sleep(60 + SLACK)
        assert (canary.judge.missed, canary.judge.heard) == (0, 1)


@in_virtual_time
async def test_no_burst_when_sending_works_again() -> None:
    world = World(faults={"watch": AWAY})
    async with flying(world, USUAL) as canary:
        await asyncio.sleep(20 * 60 + 10)
        assert (canary.judge.due, world.taken_at) == (21, [])
        world.faults.clear()
        await asyncio.sleep(40)
        assert len(world.taken_at) == 1, "those that were due before are not sent any more"
        assert (canary.judge.heard, canary.judge.missed) == (1, 0)


@in_virtual_time
async def test_silence_is_missed_until_an_alert_comes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    async with flying(world, USUAL) as canary:
        await asyncio.sleep(60 + USUAL.late + SLACK)
        assert (canary.judge.heard, canary.judge.missed) == (2, 0)
        world.deaf = True
        for missed in (1, 2, 3):
            await asyncio.sleep(60 - 2 * SLACK)
            assert canary.judge.missed == missed - 1
            await asyncio.sleep(2 * SLACK)
            assert canary.judge.missed == missed
        assert said(caplog) == [("canary missed", "no alert")]
        world.deaf = False
        await asyncio.sleep(60)
        assert (canary.judge.heard, canary.judge.missed) == (3, 0)
    assert said(caplog)[1:] == [("canary heard again", "")]


@in_virtual_time
async def test_a_miss_prepares_the_entry_again() -> None:
    world = World()
    async with flying(world, USUAL) as canary:
        await asyncio.sleep(10)
        world.prepared = False
        await asyncio.sleep(180)
        assert (len(world.prepared_at), canary.judge.missed) == (2, 0)


@pytest.mark.parametrize(("timing", "seconds"), [(USUAL, 20.0), (HASTY, 0.5)])
@in_virtual_time
async def test_a_token_that_is_refused_later_is_replaced_once(timing: Timing, seconds: float) -> None:
    assert timing.settling == seconds
    world = World()
    async with flying(world, timing) as canary:
        await asyncio.sleep(2.5 * timing.every)
        world.token = "another process has enrolled"
        await asyncio.sleep(4 * timing.every)
        assert len(world.refused_at) == 1
        assert len(world.enrolled_at) == 2
        assert canary.judge.heard >= 5


@in_virtual_time
async def test_a_new_token_that_a_replica_does_not_know_yet_is_not_replaced() -> None:
    world = World()
    async with flying(world, USUAL) as canary:
        await world.until_enrolled()
        new, world.token = world.token, "what this replica knows"
        await asyncio.sleep(USUAL.settling - SLACK)
        assert len(world.refused_at) >= 3, "it tries again"
        world.token = new
        await asyncio.sleep(10)
        assert len(world.enrolled_at) == 1
        assert (canary.judge.heard, canary.judge.missed) == (1, 0)


@in_virtual_time
async def test_refused_reads_bring_a_new_token_no_sooner_than_it_settles() -> None:
    world = World(rejects=True)
    async with flying(world, USUAL) as canary:
        await asyncio.sleep(600)
    assert canary.judge.missed == 10
    assert len(world.refused_at) > 2 * len(world.enrolled_at) > 2
    apart = [later - earlier for earlier, later in itertools.pairwise(world.enrolled_at)]
    assert min(apart) > USUAL.settling
