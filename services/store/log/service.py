"""The buffer's gRPC face: appending and following here, looking things up and its state next door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc
from gantry.store.v1 import store_pb2
from gantry.store.v1.store_pb2_grpc import StoreServiceServicer

from chassis.errors import InvalidInput
from services.store.names import MetricName
from chassis.telemetry import current_traceparent, meter
from services.store.images.objects import ImageStore
from services.store.images.packing import fetch_images
from services.store.log.columns import MOST_READS, accept
from services.store.log.follow import Log, Part, PastReads, follow, start_at
from services.store.log.forces import Forces
from services.store.log.wire import tail_response, with_images
from services.store.log.writer import GroupWriter
from services.store.retention.status import StatusService
from services.store.search.service import LookupService

SERVICE: Final = "gantry.store.v1.StoreService"
_DEFAULT_READS: Final = 5_000
_LONGEST_CONSUMER: Final = 64
_RESPONSE_BYTES: Final = 4 * 1024 * 1024
_tails = meter().create_up_down_counter(MetricName.STORE_TAILS, "1", "Followers connected now")

Call = grpc.aio.ServicerContext[Any, Any]


class ReadLog(PastReads, Protocol):
    """What the service needs of the log besides following it."""

    async def report_cursor(self, force: str, consumer: str, position: int) -> None:
        """Move a consumer's cursor forward. Raises OutOfRange POSITION_AHEAD."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of."""

    log: ReadLog
    writer: GroupWriter
    forces: Forces
    images: ImageStore
    lookups: LookupService
    status: StatusService
    most_bytes: int
    now_us: Callable[[], int]
    stopping: asyncio.Event


class StoreService(StoreServiceServicer):
    """Answers what other services and people ask of the buffer."""

    def __init__(self, parts: Parts) -> None:
        self._log = parts.log
        self._writer = parts.writer
        self._forces = parts.forces
        self._images = parts.images
        self._lookups = parts.lookups
        self._status = parts.status
        self._most_bytes = parts.most_bytes
        self._now_us = parts.now_us
        self._stopping = parts.stopping

    async def AppendReads(
        self,
        request: store_pb2.AppendReadsRequest,
        context: Call,  # noqa: ARG002
    ) -> store_pb2.AppendReadsResponse:
        """Check, queue, and answer when the group that the reads were in is committed."""
        weight = request.ByteSize()
        if weight > self._most_bytes:
            raise InvalidInput(
                "TOO_MANY_BYTES", f"an append has at most {self._most_bytes} bytes", field="reads"
            )
        append = accept(request.force, request.reads, current_traceparent(), self._now_us())
        if not append.count:
            return store_pb2.AppendReadsResponse()
        await self._forces.open(append.force)
        appended = await self._writer.submit(append, weight)
        return store_pb2.AppendReadsResponse(
            duplicate_indexes=appended.duplicate_indexes, last_position=appended.last_position
        )

    async def TailReads(  # type: ignore[override]  # responses are serialised already, see `tail_handler`
        self,
        request: store_pb2.TailReadsRequest,
        context: Call,  # noqa: ARG002
    ) -> AsyncIterator[bytes]:
        """Follow the log until the caller or the store stops."""
        most_reads = _most_reads(request)
        ring = await self._forces.open(request.force)
        _check_consumer(request.consumer)
        after = None if request.earliest else request.after_position
        log = Log(self._log, ring, request.force)
        start = await start_at(log, after)
        _tails.add(1, {"force": request.force})
        try:
            async for part in follow(log, start, most_reads, self._stopping):
                async for response in self._responses(request, part):
                    yield response
        finally:
            _tails.add(-1, {"force": request.force})

    async def ReportCursor(
        self,
        request: store_pb2.ReportCursorRequest,
        context: Call,  # noqa: ARG002
    ) -> store_pb2.ReportCursorResponse:
        """Keep a consumer's cursor."""
        _check_consumer(request.consumer)
        await self._forces.open(request.force)
        await self._log.report_cursor(request.force, request.consumer, request.position)
        return store_pb2.ReportCursorResponse()

    async def SearchReads(
        self, request: store_pb2.SearchReadsRequest, context: Call
    ) -> store_pb2.SearchReadsResponse:
        """Find a plate."""
        return await self._lookups.search(request, context)

    async def GetRead(self, request: store_pb2.GetReadRequest, context: Call) -> store_pb2.GetReadResponse:
        """Show a read."""
        return await self._lookups.read(request, context)

    async def GetImage(self, request: store_pb2.GetImageRequest, context: Call) -> store_pb2.GetImageResponse:
        """Show an image."""
        return await self._lookups.image(request, context)

    async def GetBufferStatus(
        self, request: store_pb2.GetBufferStatusRequest, context: Call
    ) -> store_pb2.GetBufferStatusResponse:
        """Tell how a force's buffer is."""
        return await self._status.buffer(request, context)

    async def ListPurgeCertificates(
        self, request: store_pb2.ListPurgeCertificatesRequest, context: Call
    ) -> store_pb2.ListPurgeCertificatesResponse:
        """Show what was deleted."""
        return await self._status.certificates(request, context)

    async def _responses(self, request: store_pb2.TailReadsRequest, part: Part) -> AsyncIterator[bytes]:
        """A part as one response, or as several where it is large."""
        bodies: list[bytes] = []
        size = 0
        for batch in part.batches:
            body = batch.body
            if batch.images is not None and request.include_images:
                images = await fetch_images(self._images, request.force, batch.images)
                body = with_images(body, *images)
            if bodies and size + len(body) > _RESPONSE_BYTES:
                yield tail_response(bodies, batch.after, part.head)
                bodies, size = [], 0
            if body:
                bodies.append(body)
                size += len(body)
        yield tail_response(bodies, part.position, part.head)


def tail_handler(service: StoreService) -> grpc.RpcMethodHandler[Any, Any]:
    """TailReads for `add_raw`: what the ring has in bytes goes out as bytes."""
    return grpc.unary_stream_rpc_method_handler(
        service.TailReads,
        request_deserializer=store_pb2.TailReadsRequest.FromString,
        response_serializer=None,
    )


def _most_reads(request: store_pb2.TailReadsRequest) -> int:
    if request.max_reads > MOST_READS:
        raise InvalidInput("MAX_READS_INVALID", f"max_reads is at most {MOST_READS}", field="max_reads")
    return request.max_reads or _DEFAULT_READS


def _check_consumer(consumer: str) -> None:
    if not 0 < len(consumer) <= _LONGEST_CONSUMER or not consumer.isprintable():
        raise InvalidInput(
            "CONSUMER_INVALID",
            f"a consumer's name has 1 to {_LONGEST_CONSUMER} printable characters",
            field="consumer",
        )
