"""Every service is told to stop while PostgreSQL hangs with its connections open."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis.client import open_channel
from chassis.errors import Fault
from clients.canary import CanaryClient
from clients.forces import ForceClient
from clients.match import HotlistClient
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
LONG = 60.0
ENDS_WITHIN = 15.0
"""Match and nas_bridge leave their lines within 5 s: 3 s to ask for it, 2 s to end. Meanwhile calls that wait
for PostgreSQL are ended after 4 s. Then tasks have 4 s, and connections 5 s; those for appends of the store
come first, with 1 s. Together that is 14 s at the most.
"""


async def test_they_end_in_time_and_nothing_is_lost() -> None:
    async with (
        fresh_suite("essex", "kent") as suite,
        connected(suite) as connection,
        observing(suite) as (tails, rooms),
    ):
        async with flowing(suite, connection, 1) as flow:
            await flow.goes_on(200, within=BACK_WITHIN)
            with frozen(suite, "postgres"):
                async with calls_that_hang(suite):
                    await asyncio.gather(*(_ends_in_time(suite, service) for service in SERVICES))
            await asyncio.gather(*(suite.restart(service) for service in SERVICES))
            await flow.goes_on(200, within=BACK_WITHIN)
        await nothing_is_lost_or_doubled(suite, flow, tails, rooms)


@asynccontextmanager
async def calls_that_hang(suite: Suite) -> AsyncIterator[None]:
    """Calls under way that wait for PostgreSQL. The services end them in the block. They may be repeated."""
    async with (
        open_channel(suite.address("match"), suite.service("canary"), retries=False) as canary,
        open_channel(suite.address("match"), suite.person(), retries=False) as match,
        open_channel(suite.address("store"), suite.person(), retries=False) as store,
    ):
        calls = [
            asyncio.create_task(CanaryClient(canary, deadline=LONG).prepare("essex")),
            asyncio.create_task(HotlistClient(match, deadline=LONG).hotlists("essex")),
            asyncio.create_task(ForceClient(store, deadline=LONG).forces()),
        ]
        assert not (await asyncio.wait(calls, timeout=1.0))[0]
        yield
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, Fault)
            assert outcome.may_pass


async def _ends_in_time(suite: Suite, service: str) -> None:
    started = time.monotonic()
    code = await suite.process(service).stop(2 * ENDS_WITHIN)
    seconds = time.monotonic() - started
    assert (code, seconds < ENDS_WITHIN) == (0, True), f"{service} ended with {code} after {seconds:.1f} s"
