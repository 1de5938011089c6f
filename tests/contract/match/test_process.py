"""The process as it runs: settings, migrations checked, a store behind gRPC, a stop that is clean."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import pytest
from gantry.match.v1.canary_pb2 import CanaryAlert
from gantry.store.v1.audit_pb2 import RecordAuditResponse
from gantry.store.v1.audit_pb2_grpc import AuditServiceServicer, add_AuditServiceServicer_to_server
from gantry.store.v1.forces_pb2 import FORCE_STATE_ACTIVE, Directory, Force, WatchResponse
from gantry.store.v1.forces_pb2_grpc import DirectoryServiceServicer, add_DirectoryServiceServicer_to_server
from gantry.store.v1.log_pb2 import ReportCursorResponse, TailReadsResponse
from gantry.store.v1.log_pb2_grpc import ReadLogServiceServicer, add_ReadLogServiceServicer_to_server

from chassis.client import open_channel
from chassis.errors import NotFound, Unavailable
from chassis.server import grpc_server
from chassis.settings import ServiceSettings
from clients.canary import CanaryClient
from clients.match import AlertClient, HotlistClient
from policy.access import rules
from reads.canary import CANARY_VRM
from tests.contract.match.memory_log import MemoryLog, Seen
from tests.contract.match.replica import eventually
from tests.contract.match.served import WHY, chunks_of, header
from tests.contract.match.test_subscribing import ask, told

PLATE = "AB12CDE"
LOG, AUDIT, DIRECTORY = (f"gantry.store.v1.{name}Service" for name in ("ReadLog", "Audit", "Directory"))


class Store(ReadLogServiceServicer, AuditServiceServicer, DirectoryServiceServicer):
    """The store's face over a log in memory."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.audits: list[str] = []
        self.away = False
        self.forces = ["essex"]
        self.changed = asyncio.Event()

    async def TailReads(self, request, context) -> AsyncIterator[TailReadsResponse]:
        after = None if request.earliest else request.after_position
        asked = self.log.follow(request.force, request.consumer, after=after, canaries=request.canaries)
        async with aclosing(asked) as tail:
            async for response in tail:
                yield response

    async def ReportCursor(self, request, context) -> ReportCursorResponse:
        await self.log.report_cursor(request.force, request.consumer, request.position)
        return ReportCursorResponse()

    async def RecordAudit(self, request, context) -> RecordAuditResponse:
        self.audits.append(request.subject)
        if self.away:
            raise Unavailable("DATABASE_UNAVAILABLE", "away")
        return RecordAuditResponse(number=len(self.audits))

    async def Watch(self, request, context) -> AsyncIterator[WatchResponse]:
        while True:
            self.changed.clear()
            forces = [Force(code=code, state=FORCE_STATE_ACTIVE) for code in self.forces]
            yield WatchResponse(revision=len(forces), directory=Directory(forces=forces))
            await self.changed.wait()


class Only:
    """Registers some methods of a service; the chassis refuses the others, which do not exist."""

    def __init__(self, register, *methods: str) -> None:
        self._register = register
        self._methods = methods

    def __call__(self, servicer, server) -> None:
        self._server = server
        self._register(servicer, self)

    def add_registered_method_handlers(self, service, handlers) -> None:
        chosen = {method: handlers[method] for method in self._methods}
        self._server.add_registered_method_handlers(service, chosen)

    def add_generic_rpc_handlers(self, handlers) -> None:
        """The same handlers in another form."""


@pytest.fixture
async def store(log, pki):
    settings = ServiceSettings(tls=pki.issue_service("store"))
    async with grpc_server(settings, rules(LOG, AUDIT, DIRECTORY)) as server:
        store = Store(log)
        methods = Only(add_ReadLogServiceServicer_to_server, "TailReads", "ReportCursor")
        server.add(methods, store, service=LOG)
        server.add(Only(add_AuditServiceServicer_to_server, "RecordAudit"), store, service=AUDIT)
        server.add(add_DirectoryServiceServicer_to_server, store, service=DIRECTORY)
        await server.start()
        yield store, f"127.0.0.1:{server.ports['grpc']}"


def environment(match_database, pki, address: str, ports) -> dict[str, str]:
    tls = pki.issue_service("match")
    given = {
        "GANTRY_TLS__CERTIFICATE": tls.certificate,
        "GANTRY_TLS__KEY": tls.key,
        "GANTRY_TLS__AUTHORITY": tls.authority,
        "GANTRY_DATABASE__HOST": match_database.host,
        "GANTRY_DATABASE__PORT": match_database.port,
        "GANTRY_DATABASE__NAME": match_database.name,
        "GANTRY_DATABASE__USER": match_database.user,
        "GANTRY_DATABASE__PASSWORD_FILE": match_database.password_file,
        "GANTRY_GRPC__PORT_FILE": ports,
        "GANTRY_MATCH__STORE": address,
    }
    return {**os.environ, **{name: str(value) for name, value in given.items()}}


@asynccontextmanager
async def process(variables: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.match"), env=variables, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def target_of(match, ports, pki):
    """The address of the process, after it has received the directory."""

    async def listening() -> bool:
        assert match.returncode is None
        return ports.exists()

    async def knows_forces() -> bool:
        with suppress(Unavailable):
            return bool(await AlertClient(channel).status("essex"))
        return False

    await eventually(listening)
    target = f"127.0.0.1:{json.loads(ports.read_text())['grpc']}"
    async with open_channel(target, pki.issue_service("ingest")) as channel:
        await eventually(knows_forces)
    return target


async def test_a_process_alerts_logs_no_plate_and_stops_cleanly(match_database, store, pki, log, tmp_path):
    face, address = store
    ports = tmp_path / "ports.json"
    async with process(environment(match_database, pki, address, ports)) as match:
        target = await target_of(match, ports, pki)
        async with open_channel(target, pki.issue_person("ana", ["essex"])) as channel:
            await HotlistClient(channel).import_csv(header(), chunks_of(b"vrm,reason\nAB12CDE,Stolen\n"))
            log.append(Seen(PLATE, read_id="seen"))
            async with asyncio.timeout(60), aclosing(AlertClient(channel).watch(ask(earliest=True))) as watch:
                async for response in watch:
                    if response.event.HasField("raised"):
                        break
            assert told([response]) == ["+seen"]
        match.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            _, errors = await match.communicate()
    assert match.returncode == 0
    assert PLATE not in errors.decode()
    assert "stolen" not in errors.decode()
    assert face.audits == ["name stolen", ""]


async def test_a_process_hears_canaries_and_logs_no_plate_of_theirs(
    match_database, store, pki, log, tmp_path
):
    _, address = store
    ports = tmp_path / "ports.json"
    async with process(environment(match_database, pki, address, ports)) as match:
        target = await target_of(match, ports, pki)
        async with open_channel(target, pki.issue_service("canary")) as channel:
            client = CanaryClient(channel)
            await client.prepare("essex")
            async with asyncio.timeout(60), aclosing(client.watch("essex")) as watch:
                assert not (await anext(watch)).alerts
                log.append_canary("c1")
                found: list[CanaryAlert] = []
                while not found:
                    found = list((await anext(watch)).alerts)
        match.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            _, errors = await match.communicate()
    assert [alert.read_id for alert in found] == ["c1"]
    assert match.returncode == 0
    assert CANARY_VRM not in errors.decode()


async def test_a_call_that_finds_the_store_unavailable_is_repeated_by_its_caller_alone(
    match_database, store, pki, tmp_path
):
    face, address = store
    face.away = True
    ports = tmp_path / "ports.json"
    async with process(environment(match_database, pki, address, ports)) as match:
        target = await target_of(match, ports, pki)
        ana = pki.issue_person("ana", ["essex"])
        for retries, most in ((False, 1), (True, 4)):
            face.audits.clear()
            async with open_channel(target, ana, retries=retries) as channel:
                with pytest.raises(Unavailable, match="AUDIT_UNAVAILABLE"):
                    await AlertClient(channel).acknowledge("essex", "1", WHY)
            assert 1 <= len(face.audits) <= most


async def test_a_new_force_is_served_within_five_seconds(match_database, store, pki, log, tmp_path):
    face, address = store
    ports = tmp_path / "ports.json"
    async with process(environment(match_database, pki, address, ports)) as match:
        target = await target_of(match, ports, pki)
        async with open_channel(target, pki.issue_person("ana", ["kent"])) as channel:
            alerts = AlertClient(channel)
            with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
                await alerts.status("kent")
            face.forces.append("kent")
            face.changed.set()
            position = log.append(Seen(PLATE))
            async with asyncio.timeout(5):
                await eventually(lambda: _has_matched(alerts, "kent", position))


async def _has_matched(alerts: AlertClient, force: str, position: int) -> bool:
    try:
        return (await alerts.status(force)).position == position
    except NotFound:
        return False
