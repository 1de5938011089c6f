"""Alerts are listed as they now are, newest first, page after page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from gantry.match.v1.alert_pb2 import ListAlertsRequest
from gantry.match.v1.alert_pb2_grpc import AlertServiceStub

from chassis.errors import Fault, InvalidInput, NotFound
from clients.answer import answer_of
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import load, until_matched
from tests.contract.match.served import WHY, Served


@pytest.fixture
async def match(served, log) -> Served:
    """Alerts a to e, of which b and d were acknowledged. Those from c on were raised in one commit."""
    replica = await served()
    await load(replica.match, "AB12CDE,Stolen")
    for read_ids in ("a", "b", "cde"):
        position = log.append(*(Seen("AB12CDE", read_id=read_id) for read_id in read_ids))
        await until_matched(replica.match, position)
    client = await replica.alerts()
    for read_id, alert_id in (("b", "2"), ("d", "4")):
        await client.acknowledge("essex", alert_id, WHY, note=f"took {read_id}")
    return replica


async def listed(match: Served, **query) -> list[str]:
    """The alerts in short: b~ was acknowledged."""
    client = await match.alerts()
    return [
        alert.read.read_id + "~" * alert.HasField("acknowledgement")
        async for alert in client.alerts("essex", WHY, **query)
    ]


@pytest.mark.parametrize("page_size", [0, 1, 2, 3, 5])
async def test_newest_first_whatever_the_page(match, page_size):
    assert await listed(match, page_size=page_size) == ["e", "d~", "c", "b~", "a"]
    assert await listed(match, page_size=page_size, open_only=True) == ["e", "c", "a"]


async def test_between_two_times(match):
    client = await match.alerts()
    times = {
        alert.read.read_id: alert.raised_at.ToDatetime(UTC) async for alert in client.alerts("essex", WHY)
    }
    assert await listed(match, raised_from=times["b"]) == ["e", "d~", "c", "b~"]
    assert await listed(match, raised_to=times["c"], page_size=1) == ["b~", "a"]
    assert await listed(match, raised_from=times["b"], raised_to=times["c"]) == ["b~"]
    assert await listed(match, raised_from=times["e"] + timedelta(seconds=1)) == []


async def test_an_alert_shows_its_acknowledgement(match):
    client = await match.alerts()
    taken = (await client.alert("essex", "2", WHY)).acknowledgement
    assert (taken.person, taken.note) == ("ana", "took b")
    assert not (await client.alert("essex", "1", WHY)).HasField("acknowledgement")
    listed = [alert async for alert in client.alerts("essex", WHY)]
    assert listed == [await client.alert("essex", str(number), WHY) for number in range(5, 0, -1)]


@pytest.mark.parametrize("alert_id", ["99", "", "x"])
async def test_an_alert_that_there_is_not(match, alert_id):
    with pytest.raises(NotFound) as caught:
        await (await match.alerts()).alert("essex", alert_id, WHY)
    assert caught.value.reason == "ALERT_UNKNOWN"


async def test_events_share_the_numbers_so_one_of_them_is_no_alert(match):
    with pytest.raises(NotFound):
        await (await match.alerts()).alert("essex", "6", WHY)


async def reason_of(match: Served, request: ListAlertsRequest) -> str:
    stub = AlertServiceStub(await match.person())
    with pytest.raises(Fault) as caught:
        await answer_of(stub.ListAlerts(request, timeout=60))
    assert isinstance(caught.value, InvalidInput)
    return caught.value.reason


async def test_a_token_is_of_its_query_alone(match):
    stub = AlertServiceStub(await match.person())
    request = ListAlertsRequest(force="essex", purpose=WHY, page_size=2)
    token = (await answer_of(stub.ListAlerts(request, timeout=60))).next_page_token
    other = ListAlertsRequest(force="essex", purpose=WHY, open_only=True, page_token=token)
    assert await reason_of(match, other) == "PAGE_TOKEN_INVALID"
    assert await reason_of(match, ListAlertsRequest(force="essex", purpose=WHY, page_token="x")) == (
        "PAGE_TOKEN_INVALID"
    )


async def test_a_page_has_a_limit_and_a_range_an_order(match):
    big = ListAlertsRequest(force="essex", purpose=WHY, page_size=1001)
    assert await reason_of(match, big) == "PAGE_SIZE_INVALID"
    empty = ListAlertsRequest(force="essex", purpose=WHY)
    empty.raised_from.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
    empty.raised_to.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
    assert await reason_of(match, empty) == "TIME_RANGE_INVALID"
    endless = ListAlertsRequest(force="essex", purpose=WHY)
    endless.raised_from.seconds = 10**15
    assert await reason_of(match, endless) == "TIME_INVALID"
