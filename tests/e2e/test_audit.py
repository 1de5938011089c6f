"""Every look needs a reason, and is recorded before anything is shown."""

import grpc
import pytest
from gantry.common.v1.audit_action_pb2 import AuditAction
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1 import audit_pb2, audit_pb2_grpc, search_pb2
from google.protobuf.message import Message

from chassis.client import open_channel
from suite.suite import Suite
from tests.e2e.contract import Rpc, fault_of, name_force, rpcs
from tests.e2e.door import ReadMaker, enrol, public_channel, submit_reads
from tests.e2e.hotlists import import_csv
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import PURPOSE, found_by, search_for

pytestmark = SHARED_SUITE

FORCE = "tamar"
AUDITOR, LOOKER = "auditor", "looker"
PLATE = "WV64XKT"
FITTING = {
    "vrm": PLATE,
    "destination": "nas",
    "name": "list",
    "request_id": "2c8a6a52-6d3f-4c06-9a54-5a1de5f0b7c1",
    "alert_id": "1",
    "position": 1,
    "kind": 1,
}


def _purposes(message: Message) -> list[Message]:
    """The messages, the request itself or one inside it, that hold a purpose."""
    held = [message] if "purpose" in message.DESCRIPTOR.fields_by_name else []
    for field, inner in message.ListFields():
        if field.type == field.TYPE_MESSAGE and not field.is_repeated:
            held += _purposes(inner)
    return held


def _with_force(rpc: Rpc) -> Message:
    """A request that is right except for its purpose, which the caller sets."""
    request = rpc.request()
    name_force(request, FORCE)
    for message in (*_purposes(request), request):
        for name, value in FITTING.items():
            field = message.DESCRIPTOR.fields_by_name.get(name)
            if field is not None and field.type != field.TYPE_MESSAGE:
                setattr(message, name, value)
    return request


# The store does not check the purposes that services record for their callers.
_ASKED = [rpc for rpc in rpcs() if _purposes(_with_force(rpc)) and rpc.name != "RecordAudit"]


@pytest.mark.parametrize("reason", ["", "  ", "x", "y" * 501])
@pytest.mark.parametrize("rpc", _ASKED, ids=str)
async def test_no_look_without_a_reason(suite: Suite, rpc: Rpc, reason: str) -> None:
    request = _with_force(rpc)
    for message in _purposes(request):
        message.purpose.CopyFrom(Purpose(justification=reason))  # type: ignore[attr-defined]
    async with open_channel(suite.address(rpc.process), suite.person()) as channel:
        fault = await fault_of(channel, rpc, request)
    assert fault is not None
    assert (fault.status, fault.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PURPOSE_REQUIRED")


async def test_every_look_and_change_is_on_record(suite: Suite) -> None:
    maker = ReadMaker(await enrol(suite, FORCE, "watched"))
    async with public_channel(suite) as channel:
        await submit_reads(channel, maker.feed.token, [maker.one(PLATE)])
    before = await _trail(suite)
    await import_csv(suite, FORCE, f"vrm,reason\n{PLATE},x\n".encode(), person=LOOKER, forces=[FORCE])
    async with search_for(suite, LOOKER, [FORCE]) as search:
        request = search_pb2.SearchReadsRequest(forces=[FORCE], purpose=PURPOSE, vrm=PLATE)
        found = await found_by(search, request)
        look = search_pb2.GetReadRequest(force=FORCE, purpose=PURPOSE, position=found[0].position)
        await search.GetRead(look)
        view = search_pb2.GetImageRequest(
            force=FORCE, purpose=PURPOSE, position=found[0].position, kind=search_pb2.IMAGE_KIND_OVERVIEW
        )
        # The read has no overview. The attempt to look at it is recorded all the same.
        with pytest.raises(grpc.aio.AioRpcError):
            await search.GetImage(view)
    records = (await _trail(suite))[: -len(before) or None]
    actions = [AuditAction.Name(record.action).removeprefix("AUDIT_ACTION_") for record in records]
    assert actions == ["VIEW_IMAGE", "VIEW_READ", "SEARCH_READS", "IMPORT_HOTLIST"]
    assert {record.person for record in records} == {LOOKER}
    assert {record.purpose.justification for record in records} == {PURPOSE.justification}
    assert PLATE in next(record.subject for record in records if "SEARCH" in actions[records.index(record)])


async def test_the_chain_holds(suite: Suite) -> None:
    await enrol(suite, FORCE, "chained")
    async with open_channel(suite.address("store"), suite.person(AUDITOR, [FORCE])) as channel:
        request = audit_pb2.VerifyAuditChainRequest(force=FORCE)
        answer = await audit_pb2_grpc.AuditServiceStub(channel).VerifyAuditChain(request)
    assert answer.first_broken == 0
    assert answer.records > 0


async def _trail(suite: Suite) -> list[audit_pb2.AuditRecord]:
    """All records of the force, newest first."""
    request, records = audit_pb2.ListAuditRecordsRequest(force=FORCE, page_size=2), []
    async with open_channel(suite.address("store"), suite.person(AUDITOR, [FORCE])) as channel:
        stub = audit_pb2_grpc.AuditServiceStub(channel)
        while True:
            page = await stub.ListAuditRecords(request)
            records += page.records
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
    numbers = [record.number for record in records]
    assert numbers == list(range(len(records), 0, -1))
    return records
