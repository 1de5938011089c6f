"""The network between cameras and the server goes silent, or keeps breaking."""

import random
import time

import pytest

from tests.chaos.flow import flowing
from tests.chaos.observers import observing
from tests.chaos.proxy import proxy_to
from tests.chaos.verdict import nothing_is_lost_or_doubled
from tests.e2e.door import connected
from tests.e2e.machine import fresh_suite
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.timeout(240)

# Twenty seconds without an answer, a new connection, and the backlog.
BACK_WITHIN = 35.0
BREAKS = 15


async def test_a_silent_network() -> None:
    async with (
        fresh_suite("essex", "kent") as suite,
        proxy_to(suite.address("ingest", "public")) as proxy,
        connected(suite, target=proxy.address) as connection,
        observing(suite) as (tails, rooms),
    ):
        async with flowing(suite, connection, 1) as flow:
            await flow.goes_on(200, within=BACK_WITHIN)
            silent_since, before = time.monotonic(), proxy.connections
            assert proxy.silence() > 0
            await flow.goes_on(200, within=BACK_WITHIN)
            assert proxy.connections > before
            assert time.monotonic() - silent_since < BACK_WITHIN
        await nothing_is_lost_or_doubled(suite, flow, tails, rooms)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_network_that_keeps_breaking(seed: int) -> None:
    chance = random.Random(seed)
    async with (
        fresh_suite("essex", "kent") as suite,
        proxy_to(suite.address("ingest", "public")) as proxy,
        connected(suite, target=proxy.address) as connection,
        observing(suite) as (tails, rooms),
    ):

        async def broken() -> int:
            return proxy.reset()

        async with flowing(suite, connection, seed) as flow:
            for _ in range(BREAKS):
                await flow.goes_on(chance.randint(1, 60), within=BACK_WITHIN)
                # A receipt may be the last that came through before: then there is nothing to reset yet.
                await eventually(broken, within=BACK_WITHIN, what="a connection to break")
            await flow.goes_on(100, within=BACK_WITHIN)
        assert proxy.connections > BREAKS
        await nothing_is_lost_or_doubled(suite, flow, tails, rooms)
