"""A stand-in for ingest's public door that keeps what it gets in memory and follows the contract's words."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.ingest.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server

from chassis.settings import TlsSettings

_FUTURE = timedelta(minutes=5)
Identity = tuple[str, str, int]


@dataclass
class Door(IngestServiceServicer):
    """A server that records batches by feed token, with settable behaviour."""

    tokens: set[str]
    reads: dict[Identity, pb.SubmittedRead] = field(default_factory=dict)
    feeds: dict[str, set[str]] = field(default_factory=dict)
    traceparents: list[str] = field(default_factory=list)
    largest_batch: int = 0
    mute: bool = False

    async def StreamReads(
        self, requests: AsyncIterator[pb.StreamReadsRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.StreamReadsResponse]:
        token = dict(context.invocation_metadata() or ()).get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "unknown token")
        flow = pb.FlowControl(max_batch_reads=1000, max_batch_bytes=4 << 20, max_reads_in_flight=5000)
        yield pb.StreamReadsResponse(flow_control=flow)
        async for request in requests:
            self.traceparents.append(request.traceparent)
            self.largest_batch = max(self.largest_batch, len(request.reads))
            if not self.mute:
                yield pb.StreamReadsResponse(ack=self._ack(token, request))

    def _ack(self, token: str, request: pb.StreamReadsRequest) -> pb.BatchAck:
        ack = pb.BatchAck(sequence=request.sequence)
        for index, read in enumerate(request.reads):
            self.feeds.setdefault(token, set()).add(read.camera_id)
            identity = read.camera_id, read.read_id, read.captured_at.ToMicroseconds()
            reason = _refusal(read)
            if reason is not None:
                ack.rejections.add(index=index, reason=reason)
            elif identity in self.reads:
                assert self.reads[identity] == read, "a resent read differs from the first"
                ack.duplicate += 1
            else:
                self.reads[identity] = read
                ack.accepted += 1
        return ack


def _refusal(read: pb.SubmittedRead) -> pb.RejectionReason | None:
    mark = re.sub(r"[\s.-]", "", read.vrm)
    if not mark:
        return pb.REJECTION_REASON_VRM_EMPTY
    if set(mark) == {"?"}:
        return pb.REJECTION_REASON_VRM_NOT_READ
    if not re.fullmatch("[A-Z0-9]{1,12}", mark):
        return pb.REJECTION_REASON_VRM_INVALID
    if read.captured_at.ToDatetime(UTC) > datetime.now(UTC) + _FUTURE:
        return pb.REJECTION_REASON_TIME_IN_FUTURE
    return None


@asynccontextmanager
async def open_door(door: Door, tls: TlsSettings) -> AsyncIterator[str]:
    """Serve over TLS on a free port; yields HOST:PORT."""
    server = grpc.aio.server()
    add_IngestServiceServicer_to_server(door, server)
    pair = tls.key.read_bytes(), tls.certificate.read_bytes()
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    try:
        yield f"localhost:{port}"
    finally:
        await server.stop(0)
