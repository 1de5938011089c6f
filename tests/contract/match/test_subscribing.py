"""Alerts reach whoever watches, in order, without gaps or repeats, wherever they go on from."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress

import pytest
from gantry.match.v1.alert_pb2 import SubscribeRequest, SubscribeResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import InvalidInput, NotFound, Unavailable
from services.match import feed as feed_module
from services.match.events import Event, Page, taken
from services.match.feed import Feed
from services.match.places import Place
from services.match.ports import utc_now
from services.match.postgres_alerts import PAGE
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import eventually, load, until_matched
from tests.contract.match.served import WHY, Served


def ask(**start: object) -> SubscribeRequest:
    return SubscribeRequest(force="essex", purpose=WHY, **start)


async def take(client, request: SubscribeRequest, count: int) -> list[SubscribeResponse]:
    """The first responses of a subscription that are no signs of life."""
    found = []
    async with asyncio.timeout(60), aclosing(client.subscribe(request)) as responses:
        async for response in responses:
            if not response.HasField("progress"):
                found.append(response)
            if len(found) == count:
                return found
    raise AssertionError("the stream ended")


async def until_caught_up(client, request: SubscribeRequest) -> list[SubscribeResponse]:
    """The responses up to and with the first sign of life."""
    found = []
    async with asyncio.timeout(60), aclosing(client.subscribe(request)) as responses:
        async for response in responses:
            found.append(response)
            if response.HasField("progress"):
                return found
    raise AssertionError("the stream ended")


def told(responses: list[SubscribeResponse]) -> list[str]:
    """What they say, in short: +1 is alert 1, ~1 its acknowledgement, +1! an alert with it inside."""
    words = []
    for response in responses:
        if response.HasField("alert"):
            inside = "!" if response.alert.HasField("acknowledgement") else ""
            words.append(f"+{response.alert.read.read_id}{inside}")
        elif response.HasField("acknowledgement"):
            words.append(f"~{response.acknowledgement.note}")
    return words


async def raised(served: Served, log, *read_ids: str) -> None:
    position = log.append(*(Seen("AB12CDE", read_id=read_id) for read_id in read_ids))
    await until_matched(served.match, position)


@pytest.fixture
async def match(served, log) -> Served:
    replica = await served()
    await load(replica.match, "AB12CDE,Stolen")
    return replica


async def alert_id(client, read_id: str) -> str:
    found = await until_caught_up(client, ask(earliest=True))
    return next(each.alert.alert_id for each in found if each.alert.read.read_id == read_id)


async def test_an_alert_arrives_while_one_watches(match, log):
    client = await match.alerts()
    async with asyncio.timeout(60), aclosing(client.subscribe(ask())) as responses:
        assert (await anext(responses)).HasField("progress")
        log.append(Seen("AB12CDE", read_id="live"))
        response = await anext(responses)
    assert told([response]) == ["+live"]
    assert match.audit.records[-1] == ("essex", "ana", 4, WHY.reason, "alerts")


async def test_an_alert_looks_the_same_live_and_later(match, log):
    client = await match.alerts()
    async with asyncio.timeout(60), aclosing(client.subscribe(ask())) as responses:
        assert (await anext(responses)).HasField("progress")
        log.append(Seen("AB12CDE", read_id="exact"), Seen("A812CDE"), Seen("AB1ZCDE", read_id="near"))
        live = [await anext(responses), await anext(responses)]
    later = await take(client, ask(earliest=True), 2)
    assert [each.alert for each in live] == [each.alert for each in later]


async def test_new_alerts_only_unless_asked(match, log):
    await raised(match, log, "past")
    client = await match.alerts()
    assert told(await until_caught_up(client, ask())) == []
    assert told(await until_caught_up(client, ask(earliest=True))) == ["+past"]


async def test_a_token_goes_on_right_after_its_message(match, log):
    await raised(match, log, *"abcdef")
    client = await match.alerts()
    first = await take(client, ask(earliest=True), 6)
    assert told(first) == ["+a", "+b", "+c", "+d", "+e", "+f"]
    for place, response in enumerate(first, 1):
        rest = await until_caught_up(client, ask(resume_token=response.resume_token))
        assert told(rest) == told(first[place:])
    end = (await until_caught_up(client, ask(earliest=True)))[-1].resume_token
    await raised(match, log, "g")
    assert told(await until_caught_up(client, ask(resume_token=end))) == ["+g"]


async def test_an_acknowledgement_is_told_once_inside_the_alert_or_after_it(match, log):
    await raised(match, log, "a", "b")
    client = await match.alerts()
    seen_before = await until_caught_up(client, ask(earliest=True))
    await client.acknowledge("essex", await alert_id(client, "a"), WHY, note="a")
    await raised(match, log, "c")
    assert told(await until_caught_up(client, ask(earliest=True))) == ["+a!", "+b", "+c"]
    assert told(await until_caught_up(client, ask(resume_token=seen_before[-1].resume_token))) == ["~a", "+c"]
    # Stopped between the two alerts: the first was sent without, so the acknowledgement is still owed.
    assert told(await until_caught_up(client, ask(resume_token=seen_before[0].resume_token))) == [
        "+b",
        "~a",
        "+c",
    ]
    # Stopped after an alert that had it inside: nothing is owed.
    inside = (await take(client, ask(earliest=True), 1))[0].resume_token
    await client.acknowledge("essex", await alert_id(client, "b"), WHY, note="b")
    assert told(await until_caught_up(client, ask(resume_token=inside))) == ["+b", "+c", "~b"]


async def test_acknowledgements_are_seen_by_all_who_watch(match, log):
    await raised(match, log, "a")
    ana, ben = await match.alerts(), await match.alerts("ben")
    async with asyncio.timeout(60), aclosing(ben.subscribe(ask())) as responses:
        assert (await anext(responses)).HasField("progress")
        await ana.acknowledge("essex", await alert_id(ana, "a"), WHY, note="on my way")
        response = await anext(responses)
    assert (response.acknowledgement.person, response.acknowledgement.note) == ("ana", "on my way")


async def test_the_first_acknowledgement_stands(match, log):
    await raised(match, log, "a")
    ana, ben = await match.alerts(), await match.alerts("ben")
    number = await alert_id(ana, "a")
    first, *others = await asyncio.gather(
        *(client.acknowledge("essex", number, WHY, note=str(n)) for n, client in enumerate((ana, ben, ana)))
    )
    assert all(other == first for other in others)
    status = await ana.status("essex")
    assert (status.alerts_raised, status.alerts_open) == (1, 0)
    assert told(await until_caught_up(ben, ask(earliest=True))) == ["+a!"]


@pytest.mark.parametrize("number", ["99", "", "x", "-1", "9" * 30])
async def test_an_unknown_alert_cannot_be_taken(match, number):
    with pytest.raises(NotFound) as caught:
        await (await match.alerts()).acknowledge("essex", number, WHY)
    assert caught.value.reason == "ALERT_UNKNOWN"


async def test_a_note_has_a_limit(match, log):
    await raised(match, log, "a")
    with pytest.raises(InvalidInput):
        await (await match.alerts()).acknowledge("essex", "1", WHY, note="n" * 501)


@pytest.mark.parametrize(
    "token", ["nonsense", "", Place(5, 0, 5).token("kent"), Place(5, 0, 5).token("essex")]
)
async def test_a_foreign_token_is_refused(match, token):
    with pytest.raises(InvalidInput) as caught:
        await until_caught_up(await match.alerts(), ask(resume_token=token))
    assert caught.value.reason == "RESUME_TOKEN_INVALID"


async def test_alerts_of_another_replica_arrive_too(match, served, log):
    other = await served()
    client = await other.alerts()
    async with asyncio.timeout(60), aclosing(client.subscribe(ask())) as responses:
        assert (await anext(responses)).HasField("progress")
        await raised(match, log, "a")
        assert told([await anext(responses)]) == ["+a"]


async def test_a_stopping_server_ends_subscriptions_at_once(match):
    client = await match.alerts()
    async with asyncio.timeout(60), aclosing(client.subscribe(ask())) as responses:
        assert (await anext(responses)).HasField("progress")
        stopping = asyncio.create_task(match.server.stop())
        with pytest.raises(Unavailable) as caught:
            await anext(responses)
        assert caught.value.reason == "SERVER_STOPPING"
    async with asyncio.timeout(60):
        await stopping


async def test_a_watch_goes_on_through_a_restart(match, served, log):
    other = await served()
    found: list[SubscribeResponse] = []
    first, second = await match.alerts(), await other.alerts()
    clients = iter((first, second))

    async def watch() -> None:
        # The client comes back to the same address; here the address itself changes.
        request = ask(earliest=True)
        for client in clients:
            with suppress(Unavailable):
                async for response in client.subscribe(request):
                    request.resume_token = response.resume_token
                    if not response.HasField("progress"):
                        found.append(response)

    watching = asyncio.create_task(watch())
    for number in range(30):
        await raised(other, log, f"{number}")
        if number == 15:
            await match.server.stop()

    async def all_found() -> bool:
        return len(found) == 30

    await eventually(all_found)
    watching.cancel()
    assert told(found) == [f"+{number}" for number in range(30)]


async def test_signs_of_life_come_and_carry_a_token(match, monkeypatch):
    monkeypatch.setattr(feed_module, "SIGN_OF_LIFE_SECONDS", 0.05)
    client = await match.alerts()
    async with asyncio.timeout(60), aclosing(client.subscribe(ask())) as responses:
        for _ in range(3):
            response = await anext(responses)
            assert response.HasField("progress")
            assert response.resume_token


class MemoryEvents:
    """Events that appear in the order of their numbers, as the database gives them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self) -> None:
        number = len(self.events) + 1
        self.events.append(Event(number, taken(number, "ana", utc_now(), "")))

    async def last_number(self, force: str) -> int:
        await asyncio.sleep(0)
        return len(self.events)

    async def page(self, force: str, place: Place) -> Page:
        await asyncio.sleep(0)
        found = self.events[place.number : place.number + PAGE]
        last = len(self.events)
        await asyncio.sleep(0)
        return Page(found, found[-1].number if len(found) == PAGE else last)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_no_pace_and_no_start_makes_a_gap_or_a_repeat(monkeypatch, seed):
    monkeypatch.setattr(feed_module, "KEPT_EVENTS", 7)
    chance, source = random.Random(seed), MemoryEvents()
    feed = Feed("essex", source)
    running = asyncio.create_task(feed.run())
    total, readers = 60, []

    async def read(start: int, pace: float) -> list[int]:
        numbers: list[int] = []
        place = Place.after(start, len(source.events))
        async with aclosing(feed.follow(place)) as steps:
            async for step in steps:
                numbers += [event.number for event in step.events]
                if step.place.number == total:
                    return numbers
                for _ in range(chance.randrange(1 + int(pace * 10))):
                    await asyncio.sleep(0)
        raise AssertionError("the feed ended")

    for _ in range(total):
        source.add()
        told = chance.random()
        if told < 0.4:
            feed.heard(len(source.events))
        elif told < 0.8:
            feed.offer(source.events[-chance.randint(1, 2) :])
        if chance.random() < 0.2:
            start = chance.randint(0, len(source.events))
            readers.append((start, asyncio.create_task(read(start, chance.random()))))
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
    feed.heard(total)
    async with asyncio.timeout(60):
        for start, reader in readers:
            assert await reader == list(range(start + 1, total + 1))
    running.cancel()
