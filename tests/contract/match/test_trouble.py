"""Why the reads of a force are not matched is told while it lasts."""

from __future__ import annotations

import asyncio

import pytest

from chassis.database import in_forces, open_pool
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import FORCE, alerts_of, eventually, load, replica, until_matched


@pytest.mark.parametrize("vrm", ["AB12CDE", "XX99XXX"], ids=["with an alert", "without a result"])
async def test_a_locked_row_of_a_force_is_told_and_forgotten(match_database, log, vrm):
    async with replica(match_database, log) as match, open_pool(match_database) as pool:
        await load(match, "AB12CDE,Stolen")
        await until_matched(match, log.append(Seen("XX99XXX", read_id="before")))

        async def told() -> bool:
            status = await match.alerts.status(FORCE)
            return status.HasField("failing_since") and status.last_error == "ROW_LOCKED"

        async with in_forces(pool, FORCE) as another:
            await another.execute("select set_config('idle_in_transaction_session_timeout', '60s', true)")
            await another.execute("select from line_cursors for update")
            position = log.append(Seen(vrm, read_id="meanwhile"))
            await eventually(told)
            # Not only now and then, while the line tries again.
            for _ in range(20):
                assert await told()
                await asyncio.sleep(0.2)
        await until_matched(match, position)

        async def well() -> bool:
            status = await match.alerts.status(FORCE)
            return not status.HasField("failing_since") and not status.last_error

        await eventually(well)
    alerted = [alert.read.read_id for alert in await alerts_of(match_database)]
    assert alerted == (["meanwhile"] if vrm == "AB12CDE" else [])
