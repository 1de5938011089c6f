"""Every subscriber gets every event once, in order, at whatever pace it reads and wherever it starts."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing

from gantry.match.v1.alert_pb2 import AlertEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.match.alerts import events, subscriptions
from services.match.alerts.ports import PAGE, EventPage
from services.match.alerts.subscriptions import Subscriptions
from services.match.clock import utc_now

FORCE = "essex"


class MemoryEvents:
    """Events that appear in the order of their numbers, as the database gives them."""

    def __init__(self) -> None:
        self.events: list[AlertEvent] = []
        self.pages = 0

    def add(self) -> None:
        number = len(self.events) + 1
        self.events.append(events.acknowledged(number, number, events.acknowledgement("ana", utc_now(), "")))

    async def last_number(self, force: str) -> int:
        await asyncio.sleep(0)
        return len(self.events)

    async def page(self, force: str, after: int) -> EventPage:
        self.pages += 1
        await asyncio.sleep(0)
        found = self.events[after : after + PAGE]
        last = len(self.events)
        await asyncio.sleep(0)
        return EventPage(found, found[-1].number if len(found) == PAGE else last)


class Silence:
    def tell_events(self, force: str, number: int) -> None:
        """No other replica listens."""


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_no_pace_and_no_start_makes_a_gap_or_a_repeat(monkeypatch, seed):
    monkeypatch.setattr(subscriptions, "KEPT_EVENTS", 7)
    chance, source = random.Random(seed), MemoryEvents()
    alerts = Subscriptions(source, Silence())
    running = asyncio.create_task(alerts.run())
    total, readers = 60, []

    async def read(start: int, pace: float) -> list[int]:
        numbers: list[int] = []
        async with aclosing(alerts.follow(FORCE, start)) as updates:
            async for update in updates:
                numbers += [event.number for event in update.events]
                if update.number == total:
                    return numbers
                for _ in range(chance.randrange(1 + int(pace * 10))):
                    await asyncio.sleep(0)
        raise AssertionError("the subscription ended")

    for _ in range(total):
        source.add()
        told = chance.random()
        if told < 0.4:
            alerts.heard(FORCE, len(source.events))
        elif told < 0.8:
            alerts.publish(FORCE, source.events[-chance.randint(1, 2) :])
        if chance.random() < 0.1:
            alerts.forget(FORCE)
        if chance.random() < 0.2:
            start = chance.randint(0, len(source.events))
            readers.append((start, asyncio.create_task(read(start, chance.random()))))
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
    alerts.heard(FORCE, total)
    async with asyncio.timeout(60):
        for start, reader in readers:
            assert await reader == list(range(start + 1, total + 1))
    running.cancel()
    await asyncio.wait([running])


async def test_subscribers_that_are_up_to_date_cost_no_read_of_the_database(monkeypatch):
    source = MemoryEvents()
    alerts = Subscriptions(source, Silence())
    running = asyncio.create_task(alerts.run())
    readers = [aclosing(alerts.follow(FORCE, 0)) for _ in range(20)]
    async with asyncio.timeout(60):
        for reader in readers:
            assert (await anext(reader.thing)).number == 0
        while alerts._recent[FORCE].tip != 0:  # noqa: ASYNC110 - a loop of its own reads it
            await asyncio.sleep(0)
        before = source.pages
        for number in range(1, 51):
            source.add()
            alerts.publish(FORCE, source.events[-1:])
            for reader in readers:
                assert (await anext(reader.thing)).number == number
    assert source.pages - before <= 3
    running.cancel()
    await asyncio.wait([running])
    for reader in readers:
        await reader.thing.aclose()
    assert FORCE not in alerts._recent
