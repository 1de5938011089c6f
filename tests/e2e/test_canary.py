"""Canaries are heard, silence is noticed, and people meet no canary, whatever they ask.

A real vehicle has the plate of canaries, a real camera reads it, and a real hotlist wants it: people get
these reads, and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from gantry.bridge.v1 import bridge_pb2, bridge_pb2_grpc
from gantry.common.v1.access_pb2 import access
from gantry.ingest.v1 import cameras_pb2, cameras_pb2_grpc
from gantry.match.v1 import alert_pb2, alert_pb2_grpc, hotlist_pb2, hotlist_pb2_grpc
from gantry.store.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    buffer_pb2,
    buffer_pb2_grpc,
    forces_pb2,
    forces_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
)

from chassis.client import open_channel
from chassis.errors import Fault
from clients.answer import answer_of
from reads.canary import CANARY, CANARY_VRM, canary_sequence
from suite.suite import Suite
from tests.e2e import canaries
from tests.e2e.contract import rpcs
from tests.e2e.door import EnrolledFeed, PatientFeed, ReadMaker, connected, enrol
from tests.e2e.freezing import frozen
from tests.e2e.hotlists import import_csv, import_plates
from tests.e2e.outcome import (
    PURPOSE,
    alerts_of,
    buffer_status,
    destination,
    found_by,
    nationally_accepted,
    settled,
)
from tests.e2e.waiting import eventually

FORCE = "essex"
HOTLIST = "stolen"
READS = 3

pytestmark = [
    pytest.mark.xdist_group("canary"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]


@dataclass
class Scene:
    """A suite whose log has canaries before, between and after the reads of a real camera."""

    suite: Suite
    feed: EnrolledFeed
    read_ids: list[str] = field(default_factory=list)
    stubs: dict[type, Any] = field(default_factory=dict)

    def ask(self, stub: type) -> Any:
        """A stub of a service, to call it as the operator."""
        return self.stubs[stub]


STUBS = {
    cameras_pb2_grpc.CameraRegistryServiceStub: "ingest",
    cameras_pb2_grpc.CameraHealthServiceStub: "ingest",
    alert_pb2_grpc.AlertServiceStub: "match",
    hotlist_pb2_grpc.HotlistServiceStub: "match",
    search_pb2_grpc.SearchServiceStub: "store",
    buffer_pb2_grpc.BufferServiceStub: "store",
    audit_pb2_grpc.AuditServiceStub: "store",
    forces_pb2_grpc.ForceServiceStub: "store",
    bridge_pb2_grpc.BridgeServiceStub: "nas_bridge",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene() -> AsyncIterator[Scene]:
    async with canaries.suite_with_canaries(FORCE) as suite, AsyncExitStack() as opened:
        await canaries.until_heard(suite, FORCE, 2)
        await import_plates(suite, FORCE, [CANARY_VRM], HOTLIST)
        made = Scene(suite, await enrol(suite, FORCE, "real"))
        maker, patient = ReadMaker(made.feed), PatientFeed(made.feed)
        async with connected(suite) as connection:
            for _ in range(READS):
                read = maker.one(CANARY_VRM)
                assert (await patient.on(connection).submit([read])).accepted == 1
                made.read_ids.append(read.read_id)
                await canaries.until_heard(suite, FORCE, 2)
        await settled(suite, FORCE, READS)
        channels = {
            process: await opened.enter_async_context(open_channel(suite.address(process), suite.person()))
            for process in set(STUBS.values())
        }
        made.stubs = {stub: stub(channels[process]) for stub, process in STUBS.items()}
        yield made


async def test_the_log_has_canaries_between_the_reads(scene: Scene) -> None:
    """Otherwise the tests below would prove nothing."""
    positions = await canaries.positions(scene.suite, FORCE)
    asked = scene.ask(search_pb2_grpc.SearchServiceStub)
    real = [read.position for read in await found_by(asked, _search())]
    assert len(positions) >= 2 * READS
    assert min(positions) < min(real) < max(positions)
    assert not set(positions) & set(real)
    raised = "select count(*) as n from match.alerts where force = $1"
    (told,) = await canaries.rows(scene.suite, raised, canary_sequence(FORCE))
    assert told["n"] >= 2 * READS


def _search() -> search_pb2.SearchReadsRequest:
    return search_pb2.SearchReadsRequest(forces=[FORCE], vrm=CANARY_VRM, purpose=PURPOSE)


async def _search_reads(scene: Scene) -> None:
    found = await found_by(scene.ask(search_pb2_grpc.SearchServiceStub), _search())
    assert sorted(each.read.read_id for each in found) == sorted(scene.read_ids)


async def _get_read(scene: Scene) -> None:
    asked = scene.ask(search_pb2_grpc.SearchServiceStub)
    for read_id in await canaries.read_ids(scene.suite, FORCE):
        request = search_pb2.GetReadRequest(force=FORCE, purpose=PURPOSE, read_id=read_id)
        await _refused(asked.GetRead(request), "READ_UNKNOWN")
    for position in await canaries.positions(scene.suite, FORCE):
        request = search_pb2.GetReadRequest(force=FORCE, purpose=PURPOSE, position=position)
        await _refused(asked.GetRead(request), "READ_UNKNOWN")


async def _get_image(scene: Scene) -> None:
    asked = scene.ask(search_pb2_grpc.SearchServiceStub)
    for position in await canaries.positions(scene.suite, FORCE):
        request = search_pb2.GetImageRequest(
            force=FORCE, purpose=PURPOSE, position=position, kind=search_pb2.IMAGE_KIND_PLATE_PATCH
        )
        await _refused(asked.GetImage(request), "READ_UNKNOWN")


async def _get_buffer_status(scene: Scene) -> None:
    assert (await buffer_status(scene.suite, FORCE)).reads_stored == READS
    last = (await canaries.positions(scene.suite, FORCE))[-1]

    async def at_the_head() -> bool:
        """The consumers go past canaries, so that none seems to lag."""
        status = await buffer_status(scene.suite, FORCE)
        return all(consumer.position >= last for consumer in status.consumers)

    await eventually(at_the_head, within=30, what="consumers that passed the canaries")


async def _list_purge_certificates(scene: Scene) -> None:
    asked = scene.ask(buffer_pb2_grpc.BufferServiceStub)
    request = buffer_pb2.ListPurgeCertificatesRequest(force=FORCE)
    assert not (await asked.ListPurgeCertificates(request)).certificates


async def _list_audit_records(scene: Scene) -> None:
    asked = scene.ask(audit_pb2_grpc.AuditServiceStub)
    request = audit_pb2.ListAuditRecordsRequest(force=FORCE, page_size=1000)
    records = (await asked.ListAuditRecords(request)).records
    assert records
    assert {record.person for record in records} == {scene.suite.settings.operator}


async def _list_forces(scene: Scene) -> None:
    answer = await scene.ask(forces_pb2_grpc.ForceServiceStub).ListForces(forces_pb2.ListForcesRequest())
    assert [force.code for force in answer.forces] == [FORCE]


async def _list_cameras(scene: Scene) -> None:
    asked = scene.ask(cameras_pb2_grpc.CameraRegistryServiceStub)
    answer = await asked.ListCameras(cameras_pb2.ListCamerasRequest(force=FORCE))
    assert [camera.camera_id for camera in answer.cameras] == list(scene.feed.cameras)


async def _list_camera_health(scene: Scene) -> None:
    async def counted() -> bool:
        asked = scene.ask(cameras_pb2_grpc.CameraHealthServiceStub)
        answer = await asked.ListCameraHealth(cameras_pb2.ListCameraHealthRequest(force=FORCE))
        assert [camera.camera_id for camera in answer.cameras] == list(scene.feed.cameras)
        return answer.cameras[0].accepted == READS

    await eventually(counted, within=30, what="the count of the real camera")


async def _set_camera_enabled(scene: Scene) -> None:
    asked = scene.ask(cameras_pb2_grpc.CameraRegistryServiceStub)
    request = cameras_pb2.SetCameraEnabledRequest(force=FORCE, camera_id=CANARY, enabled=False)
    await _refused(asked.SetCameraEnabled(request), "CAMERA_UNKNOWN")


async def _enrol_cameras(scene: Scene) -> None:
    asked = scene.ask(cameras_pb2_grpc.CameraRegistryServiceStub)
    for feed, camera in ((CANARY, "any"), ("any", CANARY)):
        request = cameras_pb2.EnrolCamerasRequest(
            force=FORCE,
            feed=feed,
            cameras=[cameras_pb2.Camera(camera_id=camera, kind=cameras_pb2.CAMERA_KIND_MOBILE)],
            request_id="5f4a7b6e-0b3f-4d6d-9a53-0d5a2a1d7c11",
        )
        await _refused(asked.EnrolCameras(request), "CAMERA_INVALID")


async def _subscribe(scene: Scene) -> None:
    request = alert_pb2.SubscribeRequest(force=FORCE, purpose=PURPOSE, earliest=True)
    call = scene.ask(alert_pb2_grpc.AlertServiceStub).Subscribe(request, timeout=30)
    numbers, read_ids = [], []
    async for response in call:
        if response.HasField("progress"):
            break
        numbers.append(response.number)
        read_ids.append(response.event.raised.read.read_id)
    call.cancel()
    assert numbers == list(range(1, READS + 1))
    assert read_ids == scene.read_ids


async def _list_alerts(scene: Scene) -> None:
    request = alert_pb2.ListAlertsRequest(force=FORCE, purpose=PURPOSE, page_size=100)
    answer = await scene.ask(alert_pb2_grpc.AlertServiceStub).ListAlerts(request)
    assert [alert.read.read_id for alert in answer.alerts] == scene.read_ids[::-1]
    assert {alert.hotlist for alert in answer.alerts} == {HOTLIST}


async def _get_alert(scene: Scene) -> None:
    asked = scene.ask(alert_pb2_grpc.AlertServiceStub)
    for alert_id in await _alerts_of_canaries(scene):
        request = alert_pb2.GetAlertRequest(force=FORCE, purpose=PURPOSE, alert_id=alert_id)
        await _refused(asked.GetAlert(request), "ALERT_UNKNOWN")


async def _acknowledge(scene: Scene) -> None:
    asked = scene.ask(alert_pb2_grpc.AlertServiceStub)
    for alert_id in (await _alerts_of_canaries(scene))[:3]:
        request = alert_pb2.AcknowledgeRequest(force=FORCE, purpose=PURPOSE, alert_id=alert_id)
        await _refused(asked.Acknowledge(request), "ALERT_UNKNOWN")


async def _get_match_status(scene: Scene) -> None:
    asked = scene.ask(alert_pb2_grpc.AlertServiceStub)
    status = await asked.GetMatchStatus(alert_pb2.GetMatchStatusRequest(force=FORCE))
    assert (status.alerts_raised, status.alerts_open, status.entries) == (READS, READS, 1)


async def _list_hotlists(scene: Scene) -> None:
    asked = scene.ask(hotlist_pb2_grpc.HotlistServiceStub)
    answer = await asked.ListHotlists(hotlist_pb2.ListHotlistsRequest(force=FORCE))
    assert [hotlist.name for hotlist in answer.hotlists] == [HOTLIST]


async def _import_hotlist(scene: Scene) -> None:
    with pytest.raises(Fault) as refused:
        await import_csv(scene.suite, FORCE, b"vrm,reason\nAB12CDE,any\n", name=CANARY)
    assert refused.value.reason == "HOTLIST_INVALID"


async def _list_destinations(scene: Scene) -> None:
    last = (await canaries.positions(scene.suite, FORCE))[-1]

    async def delivered() -> bool:
        """The bridge goes past canaries, so that none counts as waiting."""
        found = [await destination(scene.suite, FORCE, name) for name in ("nas", "nadc")]
        assert [(each.delivered, each.dead_letters) for each in found] == [(READS, 0), (READS, 0)]
        return all(each.position >= last for each in found)

    await eventually(delivered, within=30, what="deliveries past the canaries")


async def _list_dead_letters(scene: Scene) -> None:
    asked = scene.ask(bridge_pb2_grpc.BridgeServiceStub)
    for name in ("nas", "nadc"):
        request = bridge_pb2.ListDeadLettersRequest(force=FORCE, purpose=PURPOSE, destination=name)
        assert not (await asked.ListDeadLetters(request)).dead_letters


async def _get_receipt(scene: Scene) -> None:
    """A receipt may cover the position of a canary that lies between its reads: it counts none."""
    asked = scene.ask(bridge_pb2_grpc.BridgeServiceStub)
    receipts = {}
    for position in range(1, (await canaries.positions(scene.suite, FORCE))[-1] + 1):
        request = bridge_pb2.GetReceiptRequest(force=FORCE, destination="nas", position=position)
        try:
            receipt = await answer_of(asked.GetReceipt(request))
        except Fault as fault:
            assert fault.reason == "RECEIPT_ABSENT"  # noqa: PT017 - both outcomes are right
        else:
            receipts[receipt.receipt_id] = receipt
    assert sum(each.accepted for each in receipts.values()) == READS
    assert sum(each.duplicate + each.refused for each in receipts.values()) == 0


Look = Callable[[Scene], Awaitable[None]]
LOOKS: dict[str, Look] = {
    "AlertService.Acknowledge": _acknowledge,
    "AlertService.GetAlert": _get_alert,
    "AlertService.GetMatchStatus": _get_match_status,
    "AlertService.ListAlerts": _list_alerts,
    "AlertService.Subscribe": _subscribe,
    "AuditService.ListAuditRecords": _list_audit_records,
    "BridgeService.GetReceipt": _get_receipt,
    "BridgeService.ListDeadLetters": _list_dead_letters,
    "BridgeService.ListDestinations": _list_destinations,
    "BufferService.GetBufferStatus": _get_buffer_status,
    "BufferService.ListPurgeCertificates": _list_purge_certificates,
    "CameraHealthService.ListCameraHealth": _list_camera_health,
    "CameraRegistryService.EnrolCameras": _enrol_cameras,
    "CameraRegistryService.ListCameras": _list_cameras,
    "CameraRegistryService.SetCameraEnabled": _set_camera_enabled,
    "ForceService.ListForces": _list_forces,
    "HotlistService.ImportHotlist": _import_hotlist,
    "HotlistService.ListHotlists": _list_hotlists,
    "SearchService.GetImage": _get_image,
    "SearchService.GetRead": _get_read,
    "SearchService.SearchReads": _search_reads,
}
"""How each RPC that tells people of reads, alerts, cameras, hotlists or counts is looked at."""

TELL_NOTHING = {
    "AuditService.VerifyAuditChain",
    "ForceService.ChangeForce",
    "ForceService.CreateForce",
    "ForceService.RetireForce",
    "ReadLogService.RetireConsumer",
    # The destination that they answer with is the one of ListDestinations.
    "BridgeService.AddDestination",
    "BridgeService.PauseDestination",
    "BridgeService.ResumeDestination",
    "BridgeService.RetireDestination",
}
"""The other RPCs of people."""


async def test_every_rpc_of_people_is_known_here() -> None:
    """A new one needs a look at whether it tells of canaries."""
    of_people = {str(rpc) for rpc in rpcs() if rpc.descriptor.GetOptions().Extensions[access].people}
    assert of_people == LOOKS.keys() | TELL_NOTHING
    assert not LOOKS.keys() & TELL_NOTHING


@pytest.mark.parametrize("rpc", sorted(LOOKS))
async def test_people_meet_no_canary(scene: Scene, rpc: str) -> None:
    await LOOKS[rpc](scene)


async def test_the_national_services_have_no_canary(scene: Scene) -> None:
    for name in ("nas", "nadc"):
        taken = [identity[3] for identity in await nationally_accepted(scene.suite, name, FORCE)]
        assert taken == scene.read_ids


async def test_a_frozen_match_is_noticed(scene: Scene) -> None:
    """This test comes after those that look at what is there."""
    with frozen(scene.suite, "match"):
        await canaries.until_missed(scene.suite, FORCE, 3)
    await canaries.until_heard(scene.suite, FORCE, 2, within=60)
    assert [alert.read.read_id for alert in await alerts_of(scene.suite, FORCE)] == scene.read_ids


async def test_a_dead_canary_is_started_again(scene: Scene) -> None:
    await scene.suite.process("canary").kill()
    await scene.suite.process("canary").ready()
    await canaries.until_heard(scene.suite, FORCE, 2)


async def _alerts_of_canaries(scene: Scene) -> list[str]:
    """The ids of their alerts that no alert of the force has: both are numbers of a sequence."""
    statement = "select number::text as id from match.alerts where force = $1 and number > $2"
    found = await canaries.rows(scene.suite, statement, canary_sequence(FORCE), READS)
    assert found
    return [row["id"] for row in found]


async def _refused(call: Awaitable[object], reason: str) -> None:
    with pytest.raises(Fault) as refused:
        await answer_of(call)
    assert refused.value.reason == reason
