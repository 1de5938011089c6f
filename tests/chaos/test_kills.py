"""kill -9, one after another while reads flow, of everything there is."""

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

pytestmark = pytest.mark.timeout(400)

VICTIMS = ("ingest", "store", "match", "nas_bridge", "nas", "nadc", "postgres")
SEEDS = [int(seed) for seed in os.environ.get("GANTRY_CHAOS_SEEDS", "1,2,3").split(",")]
BACK_WITHIN = 40.0
FROZEN_SECONDS = 40.0


@pytest.mark.parametrize("seed", SEEDS)
async def test_one_after_another(seed: int, record_property: Callable[[str, object], None]) -> None:
    """Each twice, in random order, at random moments; then several at once."""
    chance, watch = random.Random(seed), Stopwatch()
    order = [*VICTIMS, *VICTIMS]
    chance.shuffle(order)
    async with (
        fresh_suite("essex", "kent") as suite,
        connected(suite) as connection,
        observing(suite) as (tails, rooms),
    ):
        async with flowing(suite, connection, seed) as flow:
            for victim in order:
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
    await flow.goes_on(chance.randint(1, 50), within=BACK_WITHIN)
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


@pytest.mark.parametrize("victim", ["store", "match", "nas_bridge", "nas", "nadc"])
async def test_one_that_hangs_for_longer_than_anybody_s_patience(victim: str) -> None:
    """It neither answers nor closes a connection, and then goes on as if nothing had happened."""
    async with (
        fresh_suite("essex", "kent") as suite,
        connected(suite) as connection,
        observing(suite) as (tails, rooms),
    ):
        async with flowing(suite, connection, 1) as flow:
            await flow.goes_on(100, within=BACK_WITHIN)
            suite.process(victim).send(signal.SIGSTOP)
            try:
                await asyncio.sleep(FROZEN_SECONDS)  # the failure itself, and no wait for anything
            finally:
                suite.process(victim).send(signal.SIGCONT)
            await flow.goes_on(100, within=BACK_WITHIN)
        await nothing_is_lost_or_doubled(suite, flow, tails, rooms)
