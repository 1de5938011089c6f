"""Events of alerts reach every subscriber, in order, without gaps or repeats, wherever it resumes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import pytest
from gantry.match.v1.alert_pb2 import SubscribeRequest, SubscribeResponse

from chassis.errors import InvalidInput, NotFound, OutOfRange, Unavailable
from services.match.alerts import subscriptions
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
    """The events in short: +1 is alert 1 raised, ~1 an acknowledgement with this note."""
    words = []
    for event in (response.event for response in responses if response.HasField("event")):
        if event.HasField("raised"):
            assert not event.raised.HasField("acknowledgement")
            words.append(f"+{event.raised.read.read_id}")
        else:
            words.append(f"~{event.acknowledged.note}")
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
    return next(each.event.alert_id for each in found if each.event.raised.read.read_id == read_id)


async def test_an_alert_arrives_while_one_watches(match, log):
    client = await match.alerts()
    async with asyncio.timeout(60), aclosing(client.subscribe(ask())) as responses:
        assert (await anext(responses)).HasField("progress")
        log.append(Seen("AB12CDE", read_id="live"))
        response = await anext(responses)
    assert told([response]) == ["+live"]
    assert match.audit.records[-1] == ("essex", "ana", 4, WHY.justification, "")


async def test_an_alert_looks_the_same_live_and_later(match, log):
    client = await match.alerts()
    async with asyncio.timeout(60), aclosing(client.subscribe(ask())) as responses:
        assert (await anext(responses)).HasField("progress")
        log.append(Seen("AB12CDE", read_id="exact"), Seen("A812CDE"), Seen("AB1ZCDE", read_id="near"))
        live = [await anext(responses), await anext(responses)]
        await client.acknowledge("essex", live[0].event.alert_id, WHY, note="seen")
        live.append(await anext(responses))
    later = await take(client, ask(earliest=True), 3)
    assert [each.event for each in live] == [each.event for each in later]


async def test_new_events_only_unless_asked(match, log):
    await raised(match, log, "past")
    client = await match.alerts()
    assert told(await until_caught_up(client, ask())) == []
    assert told(await until_caught_up(client, ask(earliest=True))) == ["+past"]
    assert told(await until_caught_up(client, ask(after_number=0))) == ["+past"]


async def test_a_subscription_goes_on_right_after_a_number(match, log):
    await raised(match, log, *"abc")
    client = await match.alerts()
    await client.acknowledge("essex", await alert_id(client, "a"), WHY, note="a")
    await raised(match, log, *"de")
    whole = await take(client, ask(earliest=True), 6)
    assert told(whole) == ["+a", "+b", "+c", "~a", "+d", "+e"]
    assert [each.number for each in whole] == [1, 2, 3, 4, 5, 6]
    assert [each.event.number for each in whole] == [1, 2, 3, 4, 5, 6]
    for sent, response in enumerate(whole, 1):
        rest = await until_caught_up(client, ask(after_number=response.number))
        assert told(rest) == told(whole[sent:])
        assert rest[-1].number == 6
    await raised(match, log, "f")
    assert told(await until_caught_up(client, ask(after_number=6))) == ["+f"]


async def test_a_number_that_the_sequence_never_reached_is_refused(match, log):
    await raised(match, log, "a")
    client = await match.alerts()
    assert told(await until_caught_up(client, ask(after_number=1))) == []
    with pytest.raises(OutOfRange) as caught:
        await until_caught_up(client, ask(after_number=2))
    assert caught.value.reason == "NUMBER_AHEAD"


async def test_acknowledgements_are_seen_by_all_who_watch(match, log):
    await raised(match, log, "a")
    ana, ben = await match.alerts(), await match.alerts("ben")
    async with asyncio.timeout(60), aclosing(ben.subscribe(ask())) as responses:
        assert (await anext(responses)).HasField("progress")
        await ana.acknowledge("essex", await alert_id(ana, "a"), WHY, note="on my way")
        event = (await anext(responses)).event
    assert (event.number, event.alert_id) == (2, "1")
    assert (event.acknowledged.person, event.acknowledged.note) == ("ana", "on my way")


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
    assert told(await until_caught_up(ben, ask(earliest=True))) == ["+a", f"~{first.note}"]


@pytest.mark.parametrize("number", ["99", "", "x", "-1", "9" * 30])
async def test_an_unknown_alert_cannot_be_taken(match, number):
    with pytest.raises(NotFound) as caught:
        await (await match.alerts()).acknowledge("essex", number, WHY)
    assert caught.value.reason == "ALERT_UNKNOWN"


@pytest.mark.parametrize("note", ["n" * 501, "a\0b"])
async def test_a_note_has_limits(match, log, note):
    await raised(match, log, "a")
    with pytest.raises(InvalidInput) as caught:
        await (await match.alerts()).acknowledge("essex", "1", WHY, note=note)
    assert caught.value.reason == "TEXT_INVALID"


async def test_events_of_another_replica_arrive_too(match, served, log):
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
        assert caught.value.reason == "STOPPING"
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
                    request.after_number = response.number
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


async def test_signs_of_life_carry_the_number(match, log, monkeypatch):
    monkeypatch.setattr(subscriptions, "PROGRESS_SECONDS", 0.05)
    await raised(match, log, "a")
    client = await match.alerts()
    async with asyncio.timeout(60), aclosing(client.subscribe(ask())) as responses:
        for _ in range(3):
            response = await anext(responses)
            assert response.HasField("progress")
            assert response.number == 1
