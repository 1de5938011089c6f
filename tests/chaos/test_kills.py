"""kill -9 of every process, one after another, while reads flow."""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Sequence

import asyncpg
import pytest

from suite.suite import Suite
from tests.chaos.flow import Flow, Stopwatch, flowing
from tests.chaos.observers import observing
from tests.chaos.verdict import nothing_is_lost_or_doubled
from tests.e2e.door import connected
from tests.e2e.machine import fresh_suite
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.timeout(600)

VICTIMS = ("ingest", "store", "match", "nas_bridge", "nas", "nadc", "postgres")
SEEDS = [int(seed) for seed in os.environ.get("GANTRY_CHAOS_SEEDS", "1,2,3").split(",")]
BACK_WITHIN = 40.0
# Followers of the log wait 15 s for a sign of life, deliveries 30 s for a receipt.
HANGING = ((22.0, ("store",)), (22.0, ("match", "nas_bridge")), (35.0, ("nas", "nadc")))


@pytest.mark.parametrize("seed", SEEDS)
async def test_one_after_another(seed: int, record_property: Callable[[str, object], None]) -> None:
    """Each in random order and at a random moment; then several at once, and all."""
    chance, watch = random.Random(seed), Stopwatch()
    async with (
        fresh_suite("essex", "kent") as suite,
        connected(suite) as connection,
        observing(suite) as (tails, rooms),
    ):
        async with flowing(suite, connection, seed) as flow:
            for victim in chance.sample(VICTIMS, len(VICTIMS)):
                await _blow(suite, flow, chance, watch, (victim,))
            for _ in range(2):
                await _blow(suite, flow, chance, watch, chance.sample(VICTIMS, 3))
            await _blow(suite, flow, chance, watch, VICTIMS)
        await nothing_is_lost_or_doubled(suite, flow, tails, rooms)
    record_property("recovery_seconds", str(watch.longest()))


async def _blow(
    suite: Suite, flow: Flow, chance: random.Random, watch: Stopwatch, victims: Sequence[str]
) -> None:
    await flow.goes_on(chance.randint(20, 300), within=BACK_WITHIN)
    started = watch.start()
    await asyncio.gather(*(_kill(suite, victim) for victim in victims))
    try:
        await flow.goes_on(chance.randint(1, 50), within=BACK_WITHIN)
    except AssertionError as error:
        error.add_note(f"after the death of {', '.join(victims)}; recoveries before it: {watch.laps}")
        raise
    await asyncio.gather(*(_back(suite, victim) for victim in victims))
    watch.stop("+".join(victims) if len(victims) == 1 else "several", started)


async def _kill(suite: Suite, victim: str) -> None:
    if victim == "postgres":
        await suite.postgres.crash()
    else:
        await suite.process(victim).kill()


async def _back(suite: Suite, victim: str) -> None:
    if victim == "postgres":
        await eventually(lambda: _answers(suite), within=BACK_WITHIN, what="PostgreSQL's return")
    else:
        await suite.process(victim).ready(BACK_WITHIN)


async def _answers(suite: Suite) -> bool:
    try:
        connection = await asyncpg.connect(**suite.postgres.superuser())
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def test_processes_that_hang_for_longer_than_any_time_out() -> None:
    """Stopped processes neither answer nor close a connection, and continue later."""
    async with (
        fresh_suite("essex", "kent") as suite,
        connected(suite) as connection,
        observing(suite) as (tails, rooms),
    ):
        async with flowing(suite, connection, 1) as flow:
            for seconds, victims in HANGING:
                await flow.goes_on(100, within=BACK_WITHIN)
                await _hang(suite, victims, seconds)
            await flow.goes_on(100, within=BACK_WITHIN)
        await nothing_is_lost_or_doubled(suite, flow, tails, rooms)


async def _hang(suite: Suite, victims: Sequence[str], seconds: float) -> None:
    try:
        for victim in victims:
            suite.process(victim).send(signal.SIGSTOP)
        await asyncio.sleep(seconds)  # the failure itself, and no wait for anything
    finally:
        for victim in victims:
            suite.process(victim).send(signal.SIGCONT)
