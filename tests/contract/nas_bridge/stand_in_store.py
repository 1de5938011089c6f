"""A log to follow that fails on request. The real store is met in the end-to-end tests."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from gantry.store.v1 import audit_pb2, forces_pb2, log_pb2
from gantry.store.v1.audit_pb2_grpc import AuditServiceServicer, add_AuditServiceServicer_to_server
from gantry.store.v1.forces_pb2_grpc import DirectoryServiceServicer, add_DirectoryServiceServicer_to_server
from gantry.store.v1.log_pb2_grpc import ReadLogServiceServicer, add_ReadLogServiceServicer_to_server

from chassis.errors import Fault, encode_fault
from chassis.settings import TlsSettings
from reads.appended import Appended
from tests.unit.nas_bridge.reads import make_encoded


class StandInStore(ReadLogServiceServicer, AuditServiceServicer, DirectoryServiceServicer):
    """Logs in memory, one a force, and a directory of forces."""

    def __init__(self) -> None:
        self.log: dict[str, list[bytes]] = defaultdict(list)
        self.cursors: dict[tuple[str, str], int] = {}
        self.registered: set[tuple[str, str]] = set()
        self.requests: list[log_pb2.TailReadsRequest] = []
        self.audited: list[audit_pb2.RecordAuditRequest] = []
        self.tail_faults: list[Fault] = []
        self.audit_faults: list[Fault] = []
        self.consumer_faults: list[Fault] = []
        self.forces = {
            "essex": forces_pb2.FORCE_STATE_ACTIVE,
            "kent": forces_pb2.FORCE_STATE_ACTIVE,
        }
        self._grown = asyncio.Condition()
        self._tails: set[asyncio.Event] = set()

    async def append(self, force: str, append: bytes) -> None:
        """Append a serialised AppendedReads."""
        self.log[force].append(append)
        await self._tell()

    async def grow(self, force: str, count: int, traceparent: str = "") -> None:
        """Append `count` reads, named after their positions."""
        await self.append(force, make_encoded(self.head(force) + 1, count, traceparent))

    async def set_force(self, code: str, state: forces_pb2.ForceState.ValueType) -> None:
        """Create or retire a force."""
        self.forces[code] = state
        await self._tell()

    def head(self, force: str) -> int:
        return Appended(self.log[force][-1]).last if self.log[force] else 0

    def cut_tails(self) -> None:
        """End every open tail with UNAVAILABLE."""
        for cut in self._tails:
            cut.set()

    async def TailReads(self, request: log_pb2.TailReadsRequest, context: Any) -> AsyncIterator[Any]:
        self.requests.append(request)
        cut = asyncio.Event()
        self._tails.add(cut)
        await self._fail(context, self.tail_faults)
        position = request.after_position
        while not cut.is_set():
            for append in [each for each in self.log[request.force] if Appended(each).first > position]:
                position = Appended(append).last
                yield log_pb2.TailReadsResponse(
                    appends=[append], position=position, head=self.head(request.force)
                )
            yield log_pb2.TailReadsResponse(position=position, head=self.head(request.force))
            await self._more()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")

    async def ReportCursor(
        self, request: log_pb2.ReportCursorRequest, context: Any
    ) -> log_pb2.ReportCursorResponse:
        self.cursors[request.force, request.consumer] = request.position
        return log_pb2.ReportCursorResponse()

    async def RegisterConsumer(
        self, request: log_pb2.RegisterConsumerRequest, context: Any
    ) -> log_pb2.RegisterConsumerResponse:
        await self._fail(context, self.consumer_faults)
        self.registered.add((request.force, request.consumer))
        return log_pb2.RegisterConsumerResponse()

    async def RetireConsumer(
        self, request: log_pb2.RetireConsumerRequest, context: Any
    ) -> log_pb2.RetireConsumerResponse:
        await self._fail(context, self.consumer_faults)
        self.registered.discard((request.force, request.consumer))
        return log_pb2.RetireConsumerResponse()

    async def RecordAudit(
        self, request: audit_pb2.RecordAuditRequest, context: Any
    ) -> audit_pb2.RecordAuditResponse:
        await self._fail(context, self.audit_faults)
        self.audited.append(request)
        return audit_pb2.RecordAuditResponse(number=len(self.audited))

    async def Watch(self, request: forces_pb2.WatchRequest, context: Any) -> AsyncIterator[Any]:
        while True:
            forces = [forces_pb2.Force(code=code, state=state) for code, state in sorted(self.forces.items())]
            yield forces_pb2.WatchResponse(directory=forces_pb2.Directory(forces=forces))
            await self._more()

    async def _tell(self) -> None:
        async with self._grown:
            self._grown.notify_all()

    async def _more(self) -> None:
        try:
            async with asyncio.timeout(0.2), self._grown:
                await self._grown.wait()
        except TimeoutError:
            return

    async def _fail(self, context: Any, faults: list[Fault]) -> None:
        if faults:
            fault = faults.pop(0)
            details = (("grpc-status-details-bin", encode_fault(fault)),)
            await context.abort(fault.status, fault.message, details)


@asynccontextmanager
async def serving(store: StandInStore, tls: TlsSettings) -> AsyncIterator[str]:
    """Serve it by mutual TLS; yields HOST:PORT."""
    server = grpc.aio.server()
    add_ReadLogServiceServicer_to_server(store, server)
    add_AuditServiceServicer_to_server(store, server)
    add_DirectoryServiceServicer_to_server(store, server)
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], tls.authority.read_bytes(), require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
