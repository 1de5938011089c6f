"""Alerts do not wait for connections that others use; forces without one of their own get alerts too."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress

from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import alerts_of, eventually, load, replica, until_matched


async def test_an_alert_needs_no_connection_that_another_task_may_hold(match_database, log):
    async with AsyncExitStack() as taken, replica(match_database, log) as match:
        await load(match, "AA11AAA,x")
        await until_matched(match, log.append(Seen("AA11AAA", read_id="before")))
        pool = match.alerts._pool
        with suppress(TimeoutError):
            while True:
                await taken.enter_async_context(pool.acquire(timeout=0.5))
        log.append(Seen("AA11AAA", read_id="while all others are busy"))
        await eventually(lambda: _raised(match_database, 2))
        await taken.aclose()


async def test_more_forces_than_connections_get_their_alerts_too(match_database, log):
    small = match_database.model_copy(update={"pool_size": 5})
    async with replica(small, log) as match:
        await load(match, "AA11AAA,x")
        await until_matched(match, log.append(Seen("AA11AAA")))
    assert await _raised(match_database, 1)


async def _raised(database, count: int) -> bool:
    return len(await alerts_of(database)) == count
