"""A log to follow that fails on request. The real store is met in the end-to-end tests."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from gantry.store.v1 import audit_pb2, store_pb2
from gantry.store.v1.audit_pb2_grpc import AuditServiceServicer, add_AuditServiceServicer_to_server
from gantry.store.v1.store_pb2_grpc import StoreServiceServicer, add_StoreServiceServicer_to_server

from chassis.errors import Fault, encode_fault
from chassis.settings import TlsSettings
from tests.unit.nas_bridge.reads import make_batch


class StandInStore(StoreServiceServicer, AuditServiceServicer):
    """Logs of batches in memory, one a force."""

    def __init__(self) -> None:
        self.log: dict[str, list[store_pb2.ReadBatch]] = defaultdict(list)
        self.cursors: dict[tuple[str, str], int] = {}
        self.requests: list[store_pb2.TailReadsRequest] = []
        self.audited: list[audit_pb2.RecordAuditRequest] = []
        self.tail_faults: list[Fault] = []
        self.audit_faults: list[Fault] = []
        self.silent = False
        self._grown = asyncio.Condition()
        self._tails: set[asyncio.Event] = set()

    async def append(self, force: str, batch: store_pb2.ReadBatch) -> None:
        self.log[force].append(batch)
        async with self._grown:
            self._grown.notify_all()

    async def grow(self, force: str, count: int, traceparent: str = "") -> None:
        """Append `count` reads, named after their positions."""
        await self.append(force, make_batch(self.head(force) + 1, count, traceparent))

    def head(self, force: str) -> int:
        return self.log[force][-1].positions[-1] if self.log[force] else 0

    def cut_tails(self) -> None:
        """End every open tail with UNAVAILABLE."""
        for cut in self._tails:
            cut.set()

    async def TailReads(self, request: store_pb2.TailReadsRequest, context: Any) -> AsyncIterator[Any]:
        self.requests.append(request)
        cut = asyncio.Event()
        self._tails.add(cut)
        await self._fail(context, self.tail_faults)
        position = request.after_position
        while not cut.is_set():
            for batch in [each for each in self.log[request.force] if each.positions[0] > position]:
                position = batch.positions[-1]
                yield store_pb2.TailReadsResponse(
                    batches=[batch], position=position, head=self.head(request.force)
                )
            if not self.silent:
                yield store_pb2.TailReadsResponse(position=position, head=self.head(request.force))
            await self._more(cut)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")

    async def ReportCursor(
        self, request: store_pb2.ReportCursorRequest, context: Any
    ) -> store_pb2.ReportCursorResponse:
        self.cursors[request.force, request.consumer] = request.position
        return store_pb2.ReportCursorResponse()

    async def RecordAudit(
        self, request: audit_pb2.RecordAuditRequest, context: Any
    ) -> audit_pb2.RecordAuditResponse:
        await self._fail(context, self.audit_faults)
        self.audited.append(request)
        return audit_pb2.RecordAuditResponse(number=len(self.audited))

    async def _more(self, cut: asyncio.Event) -> None:
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
    add_StoreServiceServicer_to_server(store, server)
    add_AuditServiceServicer_to_server(store, server)
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], tls.authority.read_bytes(), require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
