"""A suite's face without a suite: servers that answer what the tests put into them."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from gantry.bridge.v1 import bridge_pb2, bridge_pb2_grpc
from gantry.common.v1.read_pb2 import Position, Read
from gantry.ingest.v1 import cameras_pb2, cameras_pb2_grpc, ingest_pb2, ingest_pb2_grpc
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
from google.protobuf.timestamp_pb2 import Timestamp
from typer.testing import Result

from chassis.errors import DETAILS_KEY, Conflict, InvalidInput, NotFound, encode_fault
from suite.certificates import Authority

LOOK = ("--purpose", "Burglary at Mill Lane", "--reference", "OP 12/25")
"""The purpose that verbs in tests give."""

Command = Callable[..., Result]
"""Runs a verb; the last argument is the exit code that it must have."""

NOON = Timestamp(seconds=1_740_830_400)


def _answering() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class World:
    """What the servers know, and what they were asked."""

    reads: list[search_pb2.StoredRead] = field(default_factory=list)
    alerts: list[alert_pb2.Alert] = field(default_factory=list)
    acknowledgements: dict[str, alert_pb2.Acknowledgement] = field(default_factory=dict)
    match_status: alert_pb2.GetMatchStatusResponse = field(
        default_factory=lambda: alert_pb2.GetMatchStatusResponse(
            position=5, head=7, alerts_raised=2, alerts_open=1, entries=500
        )
    )
    cameras: dict[str, cameras_pb2.Camera] = field(default_factory=dict)
    submitted: set[tuple[str, str]] = field(default_factory=set)
    images: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    """By force, position and kind."""
    no_names: bool = False
    """The registry of cameras refuses to be listed."""
    audit: list[audit_pb2.AuditRecord] = field(default_factory=list)
    first_broken: int = 0
    receipts: dict[str, bridge_pb2.GetReceiptResponse] = field(default_factory=dict)
    imported: bytes = b""
    header: hotlist_pb2.ImportHeader = field(default_factory=hotlist_pb2.ImportHeader)
    purposes: list[str] = field(default_factory=list)
    subscriptions: list[alert_pb2.SubscribeRequest] = field(default_factory=list)
    listings: list[alert_pb2.ListAlertsRequest] = field(default_factory=list)
    drop_first_subscription: bool = False
    refused_since: Timestamp | None = None
    forces: dict[str, forces_pb2.Force] = field(default_factory=dict)
    health: list[cameras_pb2.CameraHealth] = field(default_factory=list)
    created: list[forces_pb2.CreateForceRequest] = field(default_factory=list)
    bridge_requests: list[Any] = field(default_factory=list)
    destination_changes: list[Callable[[bridge_pb2.Destination], object]] = field(default_factory=list)
    """What makes destination nas another than one that runs."""
    refuse_all: str = ""
    """The words with which every service refuses every call."""
    hotlist_text: str = ""
    """A text in whatever is said of a hotlist."""
    slow: threading.Event = field(default_factory=_answering)
    """Searches are answered while it is set."""
    matching: threading.Event = field(default_factory=_answering)
    """The status of matching is answered while it is set."""
    refuse_camera: tuple[str, str, str] | None = None
    """A camera that cannot be enrolled: its id, the field at fault, and why."""


def stored(
    vrm: str, read_id: str, position: int, *, force: str = "essex", **more: Any
) -> search_pb2.StoredRead:
    read = Read(force=force, camera_id="C1", read_id=read_id, captured_at=NOON, vrm=vrm, confidence=0.9)
    read.position.CopyFrom(Position(latitude=51.5, longitude=0.5))
    return search_pb2.StoredRead(read=read, position=position, received_at=NOON, **more)


def alert(number: int, vrm: str) -> alert_pb2.Alert:
    return alert_pb2.Alert(
        alert_id=str(number),
        read=stored(vrm, f"r{number}", number).read,
        kind=alert_pb2.MATCH_KIND_EXACT,
        hotlist="stolen",
        entry_vrm=vrm,
        reason="Stolen vehicle",
        priority=2,
        markers=["ARMED"],
        raised_at=NOON,
    )


class Search(search_pb2_grpc.SearchServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def SearchReads(self, request: Any, context: Any) -> Any:
        self._world.slow.wait()
        self._world.purposes.append(request.purpose.justification)
        found = [one for one in self._world.reads if one.read.vrm == request.vrm.upper().replace(" ", "")]
        for start in range(0, min(len(found), request.max_reads) or 1, request.page_size):
            page = found[start : min(start + request.page_size, request.max_reads)]
            more = str(start + len(page)) if start + len(page) < len(found) else ""
            yield search_pb2.SearchReadsResponse(reads=page, next_page_token=more)

    def GetRead(self, request: Any, context: Any) -> Any:
        own = [one for one in self._world.reads if one.read.force == request.force]
        if request.WhichOneof("name") == "position":
            found = [one for one in own if one.position == request.position]
        else:
            found = [one for one in own if one.read.read_id == request.read_id]
        found = [one for one in found if request.camera_id in ("", one.read.camera_id)]
        if not found:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such read")
        others = found[1:101]
        return search_pb2.GetReadResponse(read=found[0], others=others, others_count=len(found) - 1)

    def GetImage(self, request: Any, context: Any) -> Any:
        self._world.purposes.append(request.purpose.justification)
        jpeg = self._world.images.get((request.force, request.position, request.kind))
        if jpeg is None:
            fault = NotFound("IMAGE_ABSENT", "the read has no such image")
            context.set_trailing_metadata(((DETAILS_KEY, encode_fault(fault)),))
            context.abort(fault.status, fault.message)
        return search_pb2.GetImageResponse(jpeg=jpeg)


class Buffer(buffer_pb2_grpc.BufferServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def GetBufferStatus(self, request: Any, context: Any) -> Any:
        return buffer_pb2.GetBufferStatusResponse(reads_stored=len(self._world.reads), head=7)


class Forces(forces_pb2_grpc.ForceServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def CreateForce(self, request: Any, context: Any) -> Any:
        self._world.created.append(request)
        force = forces_pb2.Force(
            code=request.force, name=request.name, state=forces_pb2.FORCE_STATE_ACTIVE, created_at=NOON
        )
        self._world.forces[request.force] = force
        return forces_pb2.CreateForceResponse(force=force)

    def ListForces(self, request: Any, context: Any) -> Any:
        active = forces_pb2.FORCE_STATE_ACTIVE
        found = [one for one in self._world.forces.values() if request.include_retired or one.state == active]
        return forces_pb2.ListForcesResponse(forces=found)

    def RetireForce(self, request: Any, context: Any) -> Any:
        if request.force not in self._world.forces:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such force")
        self._world.purposes.append(request.purpose.justification)
        force = self._world.forces[request.force]
        force.state = forces_pb2.FORCE_STATE_RETIRED
        force.retired_at.CopyFrom(NOON)
        return forces_pb2.RetireForceResponse(force=force)

    def ChangeForce(self, request: Any, context: Any) -> Any:
        self._world.purposes.append(request.purpose.justification)
        force = self._world.forces[request.force]
        force.settings.CopyFrom(request.settings)
        return forces_pb2.ChangeForceResponse(force=force)


class Audit(audit_pb2_grpc.AuditServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def ListAuditRecords(self, request: Any, context: Any) -> Any:
        return audit_pb2.ListAuditRecordsResponse(records=self._world.audit[: request.page_size])

    def VerifyAuditChain(self, request: Any, context: Any) -> Any:
        return audit_pb2.VerifyAuditChainResponse(records=3, first_broken=self._world.first_broken)


class Alerts(alert_pb2_grpc.AlertServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def Subscribe(self, request: Any, context: Any) -> Any:
        self._world.subscriptions.append(request)
        if request.force != "essex":
            yield alert_pb2.SubscribeResponse(progress=alert_pb2.AlertProgress(at=NOON))
            return
        begin = request.after_number
        for number, one in enumerate(self._world.alerts[begin:], begin + 1):
            if self._world.drop_first_subscription and number == 2:
                self._world.drop_first_subscription = False
                context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")
            event = alert_pb2.AlertEvent(number=number, at=NOON, alert_id=one.alert_id, raised=one)
            yield alert_pb2.SubscribeResponse(event=event, number=number)
        yield alert_pb2.SubscribeResponse(
            progress=alert_pb2.AlertProgress(at=NOON), number=len(self._world.alerts)
        )
        context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")

    def Acknowledge(self, request: Any, context: Any) -> Any:
        if request.alert_id == "unknown":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such alert")
        taken = alert_pb2.Acknowledgement(person="operator", note=request.note)
        taken.at.GetCurrentTime()
        stands = self._world.acknowledgements.setdefault(request.alert_id, taken)
        return alert_pb2.AcknowledgeResponse(acknowledgement=stands)

    def ListAlerts(self, request: Any, context: Any) -> Any:
        self._world.listings.append(request)
        start = int(request.page_token or 0)
        found = self._world.alerts[::-1] if request.force == "essex" else []
        if request.open_only:
            found = [one for one in found if one.alert_id not in self._world.acknowledgements]
        page = found[start : start + request.page_size]
        more = str(start + len(page)) if start + len(page) < len(found) else ""
        return alert_pb2.ListAlertsResponse(alerts=page, next_page_token=more)

    def GetAlert(self, request: Any, context: Any) -> Any:
        for one in self._world.alerts:
            if one.alert_id == request.alert_id:
                return alert_pb2.GetAlertResponse(alert=one)
        return context.abort(grpc.StatusCode.NOT_FOUND, "no such alert")

    def GetMatchStatus(self, request: Any, context: Any) -> Any:
        self._world.matching.wait()
        return self._world.match_status


class Hotlists(hotlist_pb2_grpc.HotlistServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def ImportHotlist(self, request_iterator: Any, context: Any) -> Any:
        for part in request_iterator:
            if part.HasField("header"):
                self._world.header.CopyFrom(part.header)
            self._world.imported += part.chunk
        if not self._world.header.HasField("max_rejected_percent") and b"broken" in self._world.imported:
            errors = {"errors": "line 3, vrm: is empty\nline 4: is not UTF-8"}
            fault = InvalidInput("HOTLIST_BROKEN", "2 of 3 lines cannot be used", metadata=errors)
            details = (("grpc-status-details-bin", encode_fault(fault)),)
            context.set_trailing_metadata(details)
            context.abort(fault.status, fault.message)
        error = hotlist_pb2.LineError(line=3, column="vrm", message="is empty")
        answer = hotlist_pb2.ImportHotlistResponse(version=1, entries=2, rejected_lines=1, errors=[error])
        if text := self._world.hotlist_text:
            answer.errors.add(line=4, column=text, message=text)
            answer.remarks.add(line=5, column=text, message=text)
            answer.ignored_columns.append(text)
        return answer

    def ListHotlists(self, request: Any, context: Any) -> Any:
        hotlist = hotlist_pb2.Hotlist(
            name=self._world.hotlist_text or "stolen",
            version=1,
            entries=2,
            activated_at=NOON,
            imported_by=self._world.hotlist_text or "ana",
        )
        return hotlist_pb2.ListHotlistsResponse(hotlists=[hotlist])


class Bridge(bridge_pb2_grpc.BridgeServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def ListDestinations(self, request: Any, context: Any) -> Any:
        live = {
            "state": bridge_pb2.FORWARDER_STATE_RUNNING,
            "desired_state": bridge_pb2.DESTINATION_STATE_LIVE,
        }
        nas = bridge_pb2.Destination(name="nas", position=7, head=7, delivered=7, **live)
        nadc = bridge_pb2.Destination(name="nadc", position=6, head=7, delivered=6, **live)
        for change in self._world.destination_changes:
            change(nas)
        if self._world.refused_since is not None:
            nas.state, nas.last_error = bridge_pb2.FORWARDER_STATE_RETRYING, "NAS answered PERMISSION_DENIED"
            nas.failing_since.CopyFrom(self._world.refused_since)
        return bridge_pb2.ListDestinationsResponse(destinations=[nadc, nas])

    def AddDestination(self, request: Any, context: Any) -> Any:
        self._world.bridge_requests.append(request)
        added = bridge_pb2.Destination(name=request.destination.name, settings=request.destination)
        return bridge_pb2.AddDestinationResponse(destination=added)

    def PauseDestination(self, request: Any, context: Any) -> Any:
        self._world.bridge_requests.append(request)
        paused = bridge_pb2.Destination(name=request.destination, paused=True)
        return bridge_pb2.PauseDestinationResponse(destination=paused)

    def ResumeDestination(self, request: Any, context: Any) -> Any:
        self._world.bridge_requests.append(request)
        return bridge_pb2.ResumeDestinationResponse(
            destination=bridge_pb2.Destination(name=request.destination)
        )

    def RetireDestination(self, request: Any, context: Any) -> Any:
        self._world.bridge_requests.append(request)
        return bridge_pb2.RetireDestinationResponse(
            destination=bridge_pb2.Destination(name=request.destination)
        )

    def GetReceipt(self, request: Any, context: Any) -> Any:
        if request.destination not in self._world.receipts:
            context.abort(grpc.StatusCode.NOT_FOUND, "not delivered yet")
        return self._world.receipts[request.destination]


class Registry(cameras_pb2_grpc.CameraRegistryServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def EnrolCameras(self, request: Any, context: Any) -> Any:
        self._refuse(request, context)
        created = [camera for camera in request.cameras if camera.camera_id not in self._world.cameras]
        for camera in request.cameras:
            camera.feed = request.feed
            camera.enabled = True
            self._world.cameras[camera.camera_id] = camera
        token = f"gf_{request.feed}" if request.new_token or created else ""
        return cameras_pb2.EnrolCamerasResponse(
            token=token, created=len(created), updated=len(request.cameras) - len(created)
        )

    def _refuse(self, request: Any, context: Any) -> None:
        for index, camera in enumerate(request.cameras):
            if self._world.refuse_camera is not None and camera.camera_id == self._world.refuse_camera[0]:
                field = f"cameras[{index}].{self._world.refuse_camera[1]}"
                fault = InvalidInput(
                    "CAMERA_INVALID", f"{field}: {self._world.refuse_camera[2]}", field=field
                )
                context.set_trailing_metadata(((DETAILS_KEY, encode_fault(fault)),))
                context.abort(fault.status, fault.message)

    def ListCameras(self, request: Any, context: Any) -> Any:
        if self._world.no_names:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")
        own = list(self._world.cameras.values()) if request.force == "essex" else []
        return cameras_pb2.ListCamerasResponse(cameras=own)


class Health(cameras_pb2_grpc.CameraHealthServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def ListCameraHealth(self, request: Any, context: Any) -> Any:
        own = self._world.health if request.force == "essex" else []
        return cameras_pb2.ListCameraHealthResponse(cameras=own)


class Ingest(ingest_pb2_grpc.IngestServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    def StreamReads(self, request_iterator: Any, context: Any) -> Any:
        flow = ingest_pb2.FlowControl(max_batch_reads=500, max_batch_bytes=1 << 20, max_reads_in_flight=5000)
        yield ingest_pb2.StreamReadsResponse(flow_control=flow)
        for request in request_iterator:
            keys = [(read.camera_id, read.read_id) for read in request.reads]
            fresh = len(set(keys) - self._world.submitted)
            self._world.submitted.update(keys)
            ack = ingest_pb2.BatchAck(sequence=request.sequence, accepted=fresh, duplicate=len(keys) - fresh)
            yield ingest_pb2.StreamReadsResponse(ack=ack)


@contextmanager
def fake_suite(home: Path) -> Iterator[World]:
    """Servers of every service behind the addresses that a home's files name."""
    world, authority = World(), Authority(home / "pki")
    authority.issue_person("operator", ["essex", "kent"])
    servers: dict[str, list[tuple[Any, Any]]] = {
        "store": [
            (search_pb2_grpc.add_SearchServiceServicer_to_server, Search(world)),
            (buffer_pb2_grpc.add_BufferServiceServicer_to_server, Buffer(world)),
            (forces_pb2_grpc.add_ForceServiceServicer_to_server, Forces(world)),
            (audit_pb2_grpc.add_AuditServiceServicer_to_server, Audit(world)),
        ],
        "match": [
            (alert_pb2_grpc.add_AlertServiceServicer_to_server, Alerts(world)),
            (hotlist_pb2_grpc.add_HotlistServiceServicer_to_server, Hotlists(world)),
        ],
        "nas_bridge": [(bridge_pb2_grpc.add_BridgeServiceServicer_to_server, Bridge(world))],
        "ingest": [
            (cameras_pb2_grpc.add_CameraRegistryServiceServicer_to_server, Registry(world)),
            (cameras_pb2_grpc.add_CameraHealthServiceServicer_to_server, Health(world)),
            (ingest_pb2_grpc.add_IngestServiceServicer_to_server, Ingest(world)),
        ],
    }
    running = [_serve(home, authority, world, name, added) for name, added in servers.items()]
    yield world
    for server in running:
        server.stop(None)


class _Refusing(grpc.ServerInterceptor):
    """Refuses every call while the world says so."""

    def __init__(self, world: World) -> None:
        self._world = world

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler, words = continuation(details), self._world.refuse_all
        if not words:
            return handler
        fault = Conflict("NOT_NOW", words, field="purpose")

        def refuse(_: Any, context: Any) -> Any:
            context.set_trailing_metadata(((DETAILS_KEY, encode_fault(fault)),))
            context.abort(fault.status, words.replace("\0", ""))

        kind = "stream" if handler.request_streaming else "unary"
        kind += "_stream" if handler.response_streaming else "_unary"
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(refuse, handler.request_deserializer, handler.response_serializer)


def _serve(home: Path, authority: Authority, world: World, name: str, added: Any) -> grpc.Server:
    tls = authority.issue_service(name)
    pair, trusted = (tls.key.read_bytes(), tls.certificate.read_bytes()), tls.authority.read_bytes()
    server = grpc.server(ThreadPoolExecutor(20), interceptors=(_Refusing(world),))
    for add, servicer in added:
        add(servicer, server)
    mutual = grpc.ssl_server_credentials([pair], trusted, require_client_auth=True)
    ports = {
        "grpc": server.add_secure_port("127.0.0.1:0", mutual),
        "public": server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair])),
    }
    server.start()
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / f"{name}.json").write_text(json.dumps(ports))
    return server


def lines_of(done: Result) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]
