"""Every service is told to stop while PostgreSQL hangs with its connections open."""

import asyncio
import time

import pytest

from suite.database import SERVICES
from suite.suite import Suite
from tests.chaos.flow import flowing
from tests.chaos.observers import observing
from tests.chaos.verdict import nothing_is_lost_or_doubled
from tests.e2e.door import connected
from tests.e2e.freezing import frozen
from tests.e2e.machine import fresh_suite

pytestmark = pytest.mark.timeout(240)

BACK_WITHIN = 40.0
ENDS_WITHIN = 25.0
"""Lines are left for 3 s, a call that waits for PostgreSQL has 10 s, tasks 2 s, its connections 5 s."""


async def test_they_end_in_time_and_nothing_is_lost() -> None:
    async with (
        fresh_suite("essex", "kent") as suite,
        connected(suite) as connection,
        observing(suite) as (tails, rooms),
    ):
        async with flowing(suite, connection, 1) as flow:
            await flow.goes_on(200, within=BACK_WITHIN)
            with frozen(suite, "postgres"):
                await asyncio.gather(*(_ends_in_time(suite, service) for service in SERVICES))
            await asyncio.gather(*(suite.restart(service) for service in SERVICES))
            await flow.goes_on(200, within=BACK_WITHIN)
        await nothing_is_lost_or_doubled(suite, flow, tails, rooms)


async def _ends_in_time(suite: Suite, service: str) -> None:
    started = time.monotonic()
    code = await suite.process(service).stop(2 * ENDS_WITHIN)
    seconds = time.monotonic() - started
    assert (code, seconds < ENDS_WITHIN) == (0, True), f"{service} ended with {code} after {seconds:.1f} s"
