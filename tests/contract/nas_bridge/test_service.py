"""What people may ask the bridge, and what it asks of them first."""

import grpc
import pytest
from gantry.bridge.v1 import bridge_pb2
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_VIEW_DEAD_LETTERS
from gantry.common.v1.purpose_pb2 import Purpose

from chassis.client import open_channel
from chassis.errors import Fault, Forbidden, InvalidInput, NotFound, Unavailable, fault_from
from clients.bridge import BridgeClient
from tests.contract.nas_bridge.conftest import Stage

WHY = Purpose(justification="Weekly look at refusals", reference="OP-7")


async def with_dead_letters(stage: Stage) -> BridgeClient:
    await stage.nas.behave(refuse_every=10, refuse_reason="TOO_DARK")
    await stage.store.grow("essex", 300)
    await stage.start_bridge()
    await stage.until_delivered()
    return await stage.client()


async def test_destinations_are_listed_with_how_they_fare(stage: Stage) -> None:
    await stage.store.grow("essex", 30)
    await stage.start_bridge()
    await stage.until_delivered()
    client = await stage.client()
    shown = await client.destinations("essex")
    assert [(each.name, each.position, each.head, each.delivered) for each in shown] == [
        ("nadc", 30, 30, 30),
        ("nas", 30, 30, 30),
    ]
    assert all(each.HasField("last_delivered_at") for each in shown)
    idle = await client.destinations("kent")
    assert [(each.name, each.position) for each in idle] == [("nadc", 0), ("nas", 0)]
    assert not any(each.HasField("last_delivered_at") for each in idle)


async def test_a_read_has_its_receipt(stage: Stage) -> None:
    await stage.store.grow("essex", 30)
    await stage.start_bridge()
    await stage.until_delivered()
    client = await stage.client()
    receipt = await client.receipt("essex", "nas", 17)
    assert receipt.receipt_id.startswith("NAS-")
    assert receipt.first_position <= 17 <= receipt.last_position
    with pytest.raises(NotFound) as raised:
        await client.receipt("essex", "nas", 31)
    assert raised.value.reason == "RECEIPT_ABSENT"


async def test_dead_letters_come_in_pages_newest_first_and_audited(stage: Stage) -> None:
    client = await with_dead_letters(stage)
    letters = [letter async for letter in client.dead_letters("essex", "nas", WHY, page_size=7)]
    rows = await stage.rows("select position from dead_letters order by position desc")
    assert [letter.position for letter in letters] == [row["position"] for row in rows]
    assert {letter.reason for letter in letters} == {"TOO_DARK"}
    looks = [each for each in stage.store.audited if each.action == AUDIT_ACTION_VIEW_DEAD_LETTERS]
    assert len(looks) == -(-len(letters) // 7)
    assert (looks[0].force, looks[0].person, looks[0].subject) == ("essex", "ana", "destination nas")
    assert looks[0].purpose == WHY


async def test_nothing_is_shown_without_an_audit_record(stage: Stage) -> None:
    client = await with_dead_letters(stage)
    stage.store.audit_faults = [Unavailable("DATABASE_UNAVAILABLE", "away")] * 100
    with pytest.raises(Fault) as raised:
        [letter async for letter in client.dead_letters("essex", "nas", WHY)]
    assert raised.value.reason == "AUDIT_UNAVAILABLE"


async def test_a_look_needs_a_purpose(stage: Stage) -> None:
    await stage.start_bridge()
    client, before = await stage.client(), len(stage.store.audited)
    with pytest.raises(InvalidInput) as raised:
        [letter async for letter in client.dead_letters("essex", "nas", Purpose(justification="no"))]
    assert raised.value.reason == "PURPOSE_REQUIRED"
    assert len(stage.store.audited) == before


async def test_a_page_token_is_good_for_its_own_query_only(stage: Stage) -> None:
    client = await with_dead_letters(stage)
    ask = bridge_pb2.ListDeadLettersRequest(force="essex", destination="nas", purpose=WHY, page_size=7)
    page = await client._stub.ListDeadLetters(ask)
    ask.page_token, ask.destination = page.next_page_token, "nadc"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await client._stub.ListDeadLetters(ask)
    assert fault_from(raised.value).reason == "PAGE_TOKEN_INVALID"


async def test_an_unknown_destination_is_named_as_such(stage: Stage) -> None:
    await stage.start_bridge()
    client = await stage.client()
    for attempt in (
        client.receipt("essex", "elsewhere", 1),
        anext(client.dead_letters("essex", "elsewhere", WHY)),
    ):
        with pytest.raises(NotFound) as raised:
            await attempt
        assert raised.value.reason == "DESTINATION_UNKNOWN"


async def test_an_unknown_force_is_named_as_such(stage: Stage) -> None:
    await stage.start_bridge()
    client = await stage.client("ana", "surrey")
    with pytest.raises(NotFound) as raised:
        await client.destinations("surrey")
    assert raised.value.reason == "FORCE_UNKNOWN"


async def test_people_see_their_forces_only(stage: Stage) -> None:
    await stage.start_bridge()
    client = await stage.client("bea", "kent")
    assert len(await client.destinations("kent")) == 2
    for attempt in (
        client.destinations("essex"),
        client.receipt("essex", "nas", 1),
        anext(client.dead_letters("essex", "nas", WHY)),
    ):
        with pytest.raises(Forbidden) as raised:
            await attempt
        assert raised.value.reason == "FORCE_NOT_PERMITTED"


async def test_a_service_is_no_person(stage: Stage) -> None:
    await stage.start_bridge()
    person = await stage.client()
    assert await person.destinations("essex")
    port = stage.port_file.read_text().partition('"grpc": ')[2].partition(",")[0]
    async with open_channel(f"127.0.0.1:{port}", stage.pki.issue_service("match")) as channel:
        with pytest.raises(Forbidden) as raised:
            await BridgeClient(channel).destinations("essex")
    assert raised.value.reason == "CALLER_NOT_ALLOWED"
