"""Every subscriber gets every event once, in order, at whatever pace it reads and wherever it starts."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.match.alerts import events, subscriptions
from services.match.alerts.filtering import ALL, Happening, Subject, Wanted
from services.match.alerts.ports import PAGE, EventPage
from services.match.alerts.subscriptions import Subscriptions
from services.match.clock import utc_now

FORCE = "essex"
URGENT = Wanted(lowest_priority=1)
"""Every fifth event of MemoryEvents."""


class MemoryEvents:
    """Events that appear in the order of their numbers, as the database gives them."""

    def __init__(self) -> None:
        self.events: list[Happening] = []
        self.pages = 0

    def add(self) -> None:
        number = len(self.events) + 1
        subject = Subject("stolen", "a12-east", 1 + number % 5, False)
        taken = events.acknowledgement("ana", utc_now(), "")
        self.events.append(events.acknowledged(number, number, taken, subject))

    async def last_number(self, force: str) -> int:
        await asyncio.sleep(0)
        return len(self.events)

    async def page(self, force: str, after: int) -> EventPage:
        self.pages += 1
        await asyncio.sleep(0)
        found = self.events[after : after + PAGE]
        last = len(self.events)
        await asyncio.sleep(0)
        return EventPage(found, found[-1].event.number if len(found) == PAGE else last)


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

    async def read(start: int, pace: float, wanted: Wanted) -> list[int]:
        numbers: list[int] = []
        async with aclosing(alerts.follow(FORCE, start, wanted)) as updates:
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
            wanted = chance.choice((ALL, URGENT))
            readers.append((start, wanted, asyncio.create_task(read(start, chance.random(), wanted))))
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
    alerts.heard(FORCE, total)
    async with asyncio.timeout(60):
        for start, wanted, reader in readers:
            due = range(start + 1, total + 1)
            assert await reader == [number for number in due if wanted is ALL or number % 5 == 0]
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


async def test_what_is_left_out_is_no_reason_to_say_that_all_was_sent(monkeypatch):
    source = MemoryEvents()
    for _ in range(3 * PAGE + 5):
        source.add()
    alerts = Subscriptions(source, Silence())
    running = asyncio.create_task(alerts.run())
    seen: list[int] = []
    async with asyncio.timeout(60), aclosing(alerts.follow(FORCE, 0, URGENT)) as updates:
        async for update in updates:
            if not update.events:
                break
            seen += [event.number for event in update.events]
    assert (update.number, seen) == (3 * PAGE + 5, list(range(5, 3 * PAGE + 6, 5)))
    running.cancel()
    await asyncio.wait([running])


async def test_a_subscriber_that_wants_nothing_is_told_that_it_has_all():
    source = MemoryEvents()
    for _ in range(PAGE + 5):
        source.add()
    alerts = Subscriptions(source, Silence())
    running = asyncio.create_task(alerts.run())
    async with asyncio.timeout(60), aclosing(alerts.follow(FORCE, 0, Wanted(near=True))) as updates:
        update = await anext(updates)
    assert (update.number, list(update.events)) == (PAGE + 5, [])
    running.cancel()
    await asyncio.wait([running])
