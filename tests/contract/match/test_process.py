"""The process as it runs: settings, migrations checked, a store behind gRPC, a stop that is clean."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import grpc
import pytest
from gantry.store.v1.audit_pb2 import RecordAuditResponse
from gantry.store.v1.audit_pb2_grpc import AuditServiceServicer, add_AuditServiceServicer_to_server
from gantry.store.v1.store_pb2 import ReportCursorResponse, TailReadsResponse
from gantry.store.v1.store_pb2_grpc import StoreServiceServicer, add_StoreServiceServicer_to_server

from chassis.client import open_channel
from chassis.errors import OutOfRange, Unavailable
from chassis.server import grpc_server
from chassis.settings import ServiceSettings
from clients.match import AlertClient, HotlistClient
from clients.store import StoreClient
from services.match.store import StoreLog
from tests.contract.match.memory_log import MemoryLog, Seen
from tests.contract.match.replica import eventually
from tests.contract.match.served import WHY, chunks_of, header
from tests.contract.match.test_subscribing import ask, told

PLATE = "AB12CDE"


class Store(StoreServiceServicer, AuditServiceServicer):
    """The store's face over a log in memory."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.audits: list[str] = []
        self.silent = False
        self.away = False

    async def TailReads(self, request, context) -> AsyncIterator[TailReadsResponse]:
        after = None if request.earliest else request.after_position
        async with aclosing(self.log.follow(request.force, after)) as tail:
            async for response in tail:
                while self.silent:
                    await asyncio.Event().wait()
                yield response

    async def ReportCursor(self, request, context) -> ReportCursorResponse:
        await self.log.report(request.force, request.position)
        return ReportCursorResponse()

    async def RecordAudit(self, request, context) -> RecordAuditResponse:
        self.audits.append(request.subject)
        if self.away:
            raise Unavailable("DATABASE_UNAVAILABLE", "away")
        return RecordAuditResponse(number=len(self.audits))


class Only:
    """Registers some methods of a service; the chassis refuses the others, which nobody wrote."""

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
    async with grpc_server(settings) as server:
        store = Store(log)
        log_methods = Only(add_StoreServiceServicer_to_server, "TailReads", "ReportCursor")
        server.add(log_methods, store, service="gantry.store.v1.StoreService", callers=["match"])
        audit_methods = Only(add_AuditServiceServicer_to_server, "RecordAudit")
        server.add(audit_methods, store, service="gantry.store.v1.AuditService", callers=["match"])
        await server.start()
        yield store, f"127.0.0.1:{server.ports['grpc']}"


@pytest.fixture
async def store_log(store, pki):
    async with open_channel(store[1], pki.issue_service("match")) as channel:
        yield StoreLog(StoreClient(channel), silence_seconds=0.3)


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
        "GANTRY_MATCH__FORCES": "essex, kent",
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


async def target_of(match, ports):
    """Where the process listens, once it does."""

    async def listening() -> bool:
        assert match.returncode is None
        return ports.exists()

    await eventually(listening)
    return f"127.0.0.1:{json.loads(ports.read_text())['grpc']}"


async def test_a_process_alerts_logs_no_plate_and_stops_cleanly(match_database, store, pki, log, tmp_path):
    face, address = store
    ports = tmp_path / "ports.json"
    async with process(environment(match_database, pki, address, ports)) as match:
        target = await target_of(match, ports)
        async with open_channel(target, pki.issue_person("ana", ["essex"])) as channel:
            await HotlistClient(channel).import_csv(header(), chunks_of(b"vrm,reason\nAB12CDE,Stolen\n"))
            log.append(Seen(PLATE, read_id="seen"))
            async with asyncio.timeout(60), aclosing(AlertClient(channel).watch(ask(earliest=True))) as watch:
                async for response in watch:
                    if response.HasField("alert"):
                        break
            assert told([response]) == ["+seen"]
        match.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            _, errors = await match.communicate()
    assert match.returncode == 0
    assert PLATE not in errors.decode()
    assert "stolen" not in errors.decode()
    assert face.audits == ["stolen", "alerts"]


async def test_a_call_that_finds_the_store_away_is_repeated_by_its_caller_alone(
    match_database, store, pki, tmp_path
):
    face, address = store
    face.away = True
    ports = tmp_path / "ports.json"
    async with process(environment(match_database, pki, address, ports)) as match:
        target = await target_of(match, ports)
        ana = pki.issue_person("ana", ["essex"])
        for retries, most in ((False, 1), (True, 4)):
            face.audits.clear()
            async with open_channel(target, ana, retries=retries) as channel:
                with pytest.raises(Unavailable, match="DATABASE_UNAVAILABLE"):
                    await AlertClient(channel).acknowledge("essex", "1", WHY)
            assert 1 <= len(face.audits) <= most


async def test_wrong_forces_stop_the_start_with_a_sentence(match_database, pki, tmp_path):
    variables = environment(match_database, pki, "127.0.0.1:1", tmp_path / "ports.json")
    async with process({**variables, "GANTRY_MATCH__FORCES": "Essex"}) as match:
        _, errors = await match.communicate()
    assert match.returncode == 2
    assert errors.decode().startswith("GANTRY_MATCH__FORCES")
    assert errors.decode().count("\n") == 1


async def test_a_silent_store_is_noticed(store, store_log):
    face, _ = store
    async with aclosing(store_log.follow("essex", 0)) as tail:
        await anext(tail)
        face.silent = True
        face.log.append(Seen(PLATE))
        with pytest.raises(Unavailable) as caught:
            await anext(tail)
    assert caught.value.reason == "STORE_SILENT"


async def test_the_store_s_faults_come_through(store, store_log):
    store[0].log.first_kept = 5
    with pytest.raises(OutOfRange) as caught:
        await anext(store_log.follow("essex", 1))
    assert (caught.value.reason, caught.value.metadata) == ("POSITION_PURGED", {"first_position": "5"})
    assert caught.value.status is grpc.StatusCode.OUT_OF_RANGE


async def test_cursors_are_reported(store, store_log):
    await store_log.report("essex", 7)
    assert store[0].log.reported == 7
