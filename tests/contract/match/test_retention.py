"""Alerts end when their days are over: in the database, in memory, in the counts, and for who resumes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from gantry.match.v1.alert_pb2 import SubscribeRequest

from chassis.database import in_forces, open_pool
from services.match.alerts import retention as retention_module
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import FORCE, alerts_of, eventually, load, replica, until_matched
from tests.contract.match.served import WHY

# Long ago for PostgreSQL too, which has a clock of its own.
START = datetime(2025, 3, 1, 12, tzinfo=UTC)
DAYS = timedelta(days=31)


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def match(match_database, log, clock):
    async with replica(match_database, log, clock=clock) as running:
        await load(running, "AB12CDE,Stolen")
        yield running


async def raised(match, log, *read_ids: str) -> None:
    await until_matched(match, log.append(*(Seen("AB12CDE", read_id=read_id) for read_id in read_ids)))


async def kept(database) -> list[str]:
    return [alert.read.read_id for alert in await alerts_of(database)]


async def acknowledged(match, number: int, at: datetime) -> None:
    await match.alerts.acknowledge(FORCE, number, "ana", "on my way", at)


async def test_an_alert_goes_when_its_days_are_over_and_not_before(match, match_database, log, clock):
    await raised(match, log, "a", "b")
    clock.now += timedelta(days=1)
    await raised(match, log, "c")
    clock.now = START + DAYS
    await match.retention.delete_due()
    assert await kept(match_database) == ["a", "b", "c"]
    clock.now += timedelta(microseconds=1)
    await match.retention.delete_due()
    assert await kept(match_database) == ["c"]


async def test_its_events_go_with_it_and_what_is_open_stays_true(
    match, match_database, log, clock, monkeypatch, caplog
):
    monkeypatch.setattr(retention_module, "PORTION", 2)
    await raised(match, log, *"abcde")
    await acknowledged(match, 1, clock.now)
    await acknowledged(match, 4, clock.now + DAYS)
    clock.now += DAYS + timedelta(hours=1)
    await raised(match, log, "f")
    with caplog.at_level(logging.INFO, "services.match.alerts.retention"):
        await match.retention.delete_due()
    status = await match.alerts.status(FORCE)
    assert (status.alerts_raised, status.alerts_open) == (6, 1)
    assert await kept(match_database) == ["f"]
    async with open_pool(match_database) as pool, in_forces(pool, FORCE) as connection:
        events = await connection.fetch("select number from alert_events order by number")
    assert [event["number"] for event in events] == [8]
    (told,) = [record for record in caplog.records if record.message == "alerts deleted"]
    assert (told.alerts, told.unacknowledged) == (5, 3)


async def test_of_one_force_only(match_database, log, clock):
    async with replica(match_database, log, forces=(FORCE,), clock=clock) as match:
        await load(match, "AB12CDE,Stolen")
        await raised(match, log, "a")
    clock.now += 2 * DAYS
    async with replica(match_database, log, forces=("kent",), clock=clock) as other:
        await other.retention.delete_due()
    assert await kept(match_database) == ["a"]


async def test_alerts_younger_than_a_week_cannot_be_deleted(served, match_database, log):
    match = await served()
    await load(match.match, "AB12CDE,Stolen")
    await raised(match.match, log, "a")
    found = await match.match.alerts.delete_old(FORCE, datetime.now(UTC) + DAYS, 100)
    assert found == (0, 0)
    assert await kept(match_database) == ["a"]


async def test_a_subscription_goes_on_from_a_number_that_is_deleted(served, match_database, log, clock):
    async with replica(match_database, log, clock=clock) as long_ago:
        await load(long_ago, "AB12CDE,Stolen")
        await raised(long_ago, log, *"abc")
    match = await served()
    client = await match.alerts()
    await eventually(lambda: _has_none(match_database))
    await raised(match.match, log, "d")
    for start in ({"after_number": 1}, {"earliest": True}):
        request = SubscribeRequest(force=FORCE, purpose=WHY, **start)
        async with asyncio.timeout(60), aclosing(client.subscribe(request)) as responses:
            response = await anext(responses)
            raised_alert = response.event.raised
            assert (raised_alert.read.read_id, raised_alert.alert_id) == ("d", "4")
            assert (await anext(responses)).HasField("progress")


async def test_memory_does_not_outlast_the_database(match, match_database, log, clock):
    await raised(match, log, "before anybody watches")
    seen: list[int] = []

    async def watch() -> None:
        async with aclosing(match.subscriptions.follow(FORCE, 1)) as updates:
            async for update in updates:
                seen.extend(event.number for event in update.events)

    watching = asyncio.create_task(watch())
    await eventually(lambda: _is(FORCE in match.subscriptions._recent))
    recent = match.subscriptions._recent[FORCE]
    await eventually(lambda: _is(recent.tip == 1))
    await raised(match, log, "b", "c")
    await eventually(lambda: _is(seen == [2, 3]))
    assert len(recent.events) == 2
    clock.now += 2 * DAYS
    await match.retention.delete_due()
    await eventually(lambda: _is(not recent.events and recent.tip == 3))
    await raised(match, log, "d")
    await eventually(lambda: _is(seen == [2, 3, 4]))
    watching.cancel()
    await asyncio.wait([watching])


async def _has_none(database) -> bool:
    return await kept(database) == []


async def _is(true: bool) -> bool:
    return true
