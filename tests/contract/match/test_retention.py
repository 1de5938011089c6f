"""Alerts end when their days are over: in the database, in memory, in the counts, and for who resumes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from gantry.match.v1.alert_pb2 import SubscribeRequest

from chassis.database import open_pool
from services.match import retention as retention_module
from services.match.places import Place
from services.match.postgres import in_force
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
    await match.alert_service._alerts.acknowledge(FORCE, number, "ana", "on my way", at)


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


async def test_its_acknowledgement_goes_with_it_and_what_is_open_stays_true(
    match, match_database, log, clock, monkeypatch, caplog
):
    monkeypatch.setattr(retention_module, "PORTION", 2)
    await raised(match, log, *"abcde")
    await acknowledged(match, 1, clock.now)
    await acknowledged(match, 4, clock.now + DAYS)
    clock.now += DAYS + timedelta(hours=1)
    await raised(match, log, "f")
    with caplog.at_level(logging.INFO, "services.match.retention"):
        await match.retention.delete_due()
    status = await match.matching.status(FORCE)
    assert (status.alerts_raised, status.alerts_open) == (6, 1)
    assert await kept(match_database) == ["f"]
    async with open_pool(match_database) as pool, in_force(pool, FORCE) as connection:
        assert await connection.fetchval("select count(*) from acknowledgements") == 0
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


async def test_nobody_can_have_alerts_deleted_that_are_younger_than_a_week(served, match_database, log):
    match = await served()
    await load(match.match, "AB12CDE,Stolen")
    await raised(match.match, log, "a")
    found = await match.match.alert_service._alerts.delete_old(FORCE, datetime.now(UTC) + DAYS, 100)
    assert found == (0, 0)
    assert await kept(match_database) == ["a"]


async def test_a_subscription_goes_on_from_a_place_that_is_deleted(served, match_database, log, clock):
    async with replica(match_database, log, clock=clock) as long_ago:
        await load(long_ago, "AB12CDE,Stolen")
        await raised(long_ago, log, *"abc")
    match = await served()
    client = await match.alerts()
    old = Place.after(1, 3).token(FORCE)
    await eventually(lambda: _has_none(match_database))
    await raised(match.match, log, "d")
    for start in ({"resume_token": old}, {"earliest": True}):
        request = SubscribeRequest(force=FORCE, purpose=WHY, **start)
        async with asyncio.timeout(60), aclosing(client.subscribe(request)) as responses:
            response = await anext(responses)
            assert (response.alert.read.read_id, response.alert.alert_id) == ("d", "4")
            assert (await anext(responses)).HasField("progress")


async def test_memory_does_not_outlast_the_database(match, match_database, log, clock):
    await raised(match, log, "before anybody watches")
    feed = match.feeds[FORCE]
    seen: list[int] = []

    async def watch(place: Place) -> None:
        async with aclosing(feed.follow(place)) as steps:
            async for step in steps:
                seen.extend(event.number for event in step.events)

    watching = asyncio.create_task(watch(Place.after(1, 1)))
    await eventually(lambda: _is(feed._tip == 1))
    await raised(match, log, "b", "c")
    await eventually(lambda: _is(seen == [2, 3]))
    assert len(feed._recent) == 2
    clock.now += 2 * DAYS
    await match.retention.delete_due()
    await eventually(lambda: _is(not feed._recent and feed._tip == 3))
    await raised(match, log, "d")
    await eventually(lambda: _is(seen == [2, 3, 4]))
    watching.cancel()
    await asyncio.wait([watching])


async def _has_none(database) -> bool:
    return await kept(database) == []


async def _is(true: bool) -> bool:
    return true
