"""What the canary calls, in one process. The real services are met in the end-to-end tests."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from gantry.ingest.v1 import cameras_pb2, ingest_pb2
from gantry.ingest.v1.cameras_pb2_grpc import (
    CameraRegistryServiceServicer,
    add_CameraRegistryServiceServicer_to_server,
)
from gantry.ingest.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server
from gantry.match.v1 import canary_pb2
from gantry.match.v1.canary_pb2_grpc import CanaryServiceServicer, add_CanaryServiceServicer_to_server
from gantry.store.v1 import forces_pb2
from gantry.store.v1.forces_pb2_grpc import DirectoryServiceServicer, add_DirectoryServiceServicer_to_server

from chassis.errors import DETAILS_KEY, Fault, Unauthenticated, encode_fault
from chassis.settings import TlsSettings
from suite.certificates import Authority

BEARER = "Bearer "


class StandIn(
    DirectoryServiceServicer, CanaryServiceServicer, CameraRegistryServiceServicer, IngestServiceServicer
):
    """Every canary that is taken raises its alert at once, unless its force is in `deaf`.

    `faults` are raised by RPC name and force for as long as they are there. Reads of the forces in
    `rejects` are refused. `speaks` says whether the directory is sent.
    """

    def __init__(self) -> None:
        self.active = {"essex", "kent"}
        self.retired: set[str] = set()
        self.deaf: set[str] = set()
        self.speaks = True
        self.rejects: dict[str, ingest_pb2.RejectionReason.ValueType] = {}
        self.faults: dict[tuple[str, str], Fault] = {}
        self.calls: Counter[str] = Counter()
        self.prepared: set[str] = set()
        self.tokens: dict[str, str] = {}
        self.taken: list[ingest_pb2.SubmittedRead] = []
        self.watches: defaultdict[str, set[asyncio.Queue[str | None]]] = defaultdict(set)
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()

    def fail(self, rpc: str, fault: Fault) -> None:
        """Raise a fault for every force."""
        self.faults.update({(rpc, force): fault for force in self.active})

    def taken_of(self, force: str) -> int:
        """How many canaries of a force were taken."""
        return sum(read.force == force for read in self.taken)

    def retire(self, force: str) -> None:
        """Retire a force, as the store does."""
        self.active.discard(force)
        self.retired.add(force)
        self._changed.set()

    def create(self, force: str) -> None:
        """Create a force, as the store does."""
        self.active.add(force)
        self._changed.set()

    def break_watches(self) -> None:
        """End every watch with UNAVAILABLE."""
        for queue in itertools.chain.from_iterable(self.watches.values()):
            queue.put_nowait(None)

    async def Watch(self, request: forces_pb2.WatchRequest, context: Any) -> AsyncIterator[Any]:
        while True:
            self._changed.clear()
            if self.speaks:
                forces = [_force(code, forces_pb2.FORCE_STATE_ACTIVE) for code in sorted(self.active)]
                forces += [_force(code, forces_pb2.FORCE_STATE_RETIRED) for code in sorted(self.retired)]
                yield forces_pb2.WatchResponse(directory=forces_pb2.Directory(forces=forces))
            try:
                async with asyncio.timeout(0.2):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def PrepareCanary(self, request: canary_pb2.PrepareCanaryRequest, context: Any) -> Any:
        await self._called("PrepareCanary", request.force, context)
        self.prepared.add(request.force)
        return canary_pb2.PrepareCanaryResponse()

    async def EnrolCanary(self, request: cameras_pb2.EnrolCanaryRequest, context: Any) -> Any:
        await self._called("EnrolCanary", request.force, context)
        self.tokens[request.force] = f"{request.force}-token-{next(self._numbers)}"
        return cameras_pb2.EnrolCanaryResponse(token=self.tokens[request.force])

    async def WatchCanary(self, request: canary_pb2.WatchCanaryRequest, context: Any) -> AsyncIterator[Any]:
        await self._called("WatchCanary", request.force, context)
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.watches[request.force].add(queue)
        try:
            yield canary_pb2.WatchCanaryResponse()
            while (read_id := await queue.get()) is not None:
                yield canary_pb2.WatchCanaryResponse(alerts=[canary_pb2.CanaryAlert(read_id=read_id)])
        finally:
            self.watches[request.force].discard(queue)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")

    async def SubmitReads(self, request: ingest_pb2.SubmitReadsRequest, context: Any) -> Any:
        (read,) = request.reads
        await self._called("SubmitReads", read.force, context)
        token = dict(context.invocation_metadata())["authorization"].removeprefix(BEARER)
        if self.tokens.get(read.force) != token:
            await _abort(context, Unauthenticated("TOKEN_UNKNOWN", "no feed has this token"))
        if read.force in self.rejects:
            refusal = ingest_pb2.Rejection(index=0, reason=self.rejects[read.force])
            return ingest_pb2.SubmitReadsResponse(ack=ingest_pb2.BatchAck(rejections=[refusal]))
        self.taken.append(read)
        if read.force in self.prepared - self.deaf:
            for queue in self.watches[read.force]:
                queue.put_nowait(read.read_id)
        return ingest_pb2.SubmitReadsResponse(ack=ingest_pb2.BatchAck(accepted=1))

    async def _called(self, rpc: str, force: str, context: Any) -> None:
        self.calls[rpc] += 1
        if fault := self.faults.get((rpc, force)):
            await _abort(context, fault)


def _force(code: str, state: forces_pb2.ForceState.ValueType) -> forces_pb2.Force:
    return forces_pb2.Force(code=code, state=state)


async def _abort(context: Any, fault: Fault) -> None:
    await context.abort(fault.status, fault.message, ((DETAILS_KEY, encode_fault(fault)),))


@asynccontextmanager
async def serving(stand_in: StandIn, pki: Authority) -> AsyncIterator[tuple[str, str]]:
    """Serve it; yields the addresses for services, by mutual TLS, and of the door for vendors."""
    services, door = grpc.aio.server(), grpc.aio.server()
    add_DirectoryServiceServicer_to_server(stand_in, services)
    add_CanaryServiceServicer_to_server(stand_in, services)
    add_CameraRegistryServiceServicer_to_server(stand_in, services)
    add_IngestServiceServicer_to_server(stand_in, door)
    tls = pki.issue_service("ingest")
    ports = [
        services.add_secure_port("127.0.0.1:0", _credentials(tls, ask=True)),
        door.add_secure_port("127.0.0.1:0", _credentials(tls, ask=False)),
    ]
    for server in (services, door):
        await server.start()
    try:
        yield f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}"
    finally:
        for server in (services, door):
            await server.stop(0)


def _credentials(tls: TlsSettings, *, ask: bool) -> grpc.ServerCredentials:
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    authority = tls.authority.read_bytes() if ask else None
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=ask)
