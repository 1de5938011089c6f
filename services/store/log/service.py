"""ReadLogService: appending to the log, following it, and its consumers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
from gantry.store.v1 import log_pb2
from gantry.store.v1.log_pb2_grpc import ReadLogServiceServicer

from chassis.errors import InvalidInput
from chassis.identity import caller_of
from chassis.metrics import up_down
from chassis.telemetry import current_traceparent
from chassis.turns import Turns
from reads.appended import Appended
from services.store.consumers.consumer import Consumers
from services.store.images.objects import ImageStore
from services.store.images.packing import fetch_images
from services.store.log.checked import MOST_READS, CheckedReads, checked
from services.store.log.follow import Log, LogPart, PastReads, follow, require_sure, start_at
from services.store.log.live import LiveLogs
from services.store.log.ring import LogEntry
from services.store.log.tracing import traced_of
from services.store.names import MetricName

SERVICE: Final = "gantry.store.v1.ReadLogService"
_DEFAULT_READS: Final = 5_000
_LONGEST_CONSUMER: Final = 64
_RESPONSE_BYTES: Final = 4 * 1024 * 1024
_tails = up_down(MetricName.TAILS)

Call = grpc.aio.ServicerContext[Any, Any]


class ReadLogService(ReadLogServiceServicer):
    """Answers the services that append to and follow the log."""

    def __init__(  # noqa: PLR0917
        self,
        logs: LiveLogs,
        past: PastReads,
        consumers: Consumers,
        images: ImageStore,
        most_bytes: int,
        now_us: Callable[[], int],
        stopping: asyncio.Event,
    ) -> None:
        """An append has at most `most_bytes`. Followers end when `stopping` is set."""
        self._logs = logs
        self._past = past
        self._consumers = consumers
        self._images = images
        self._most_bytes = most_bytes
        self._now_us = now_us
        self._stopping = stopping
        self._turns = Turns()

    async def AppendReads(
        self,
        request: log_pb2.AppendReadsRequest,
        context: Call,
    ) -> log_pb2.AppendReadsResponse:
        """Check, queue, and answer when the reads are committed."""
        size = len(request.reads) + len(request.canary)
        if size > self._most_bytes:
            raise InvalidInput(
                "TOO_MANY_BYTES", f"an append has at most {self._most_bytes} bytes", field="reads"
            )
        await self._turns.take(request.force, None, size)
        reads = _checked(request, self._now_us())
        if traceparent := current_traceparent():
            reads.traced = traced_of(request.traced_batches, traceparent, reads.count)
        log = await self._logs.open(request.force)
        if not reads.count:
            return log_pb2.AppendReadsResponse()
        result = await log.writer.submit(reads)
        return log_pb2.AppendReadsResponse(
            duplicate_indexes=result.duplicate_indexes,
            last_position=result.last_position,
            differing_indexes=result.differing_indexes,
        )

    async def TailReads(
        self,
        request: log_pb2.TailReadsRequest,
        context: Call,
    ) -> AsyncIterator[log_pb2.TailReadsResponse]:
        """Follow the log until the caller or the store stops."""
        _check_consumer(request.consumer)
        most_reads = _most_reads(request)
        log = Log(self._past, (await self._logs.open(request.force)).ring, request.force)
        require_sure(log)
        start = await start_at(log, None if request.earliest else request.after_position)
        _tails.add(1, {"force": request.force})
        try:
            async for part in follow(log, start, most_reads, self._stopping):
                async for response in self._responses(request, part):
                    yield response
        finally:
            _tails.add(-1, {"force": request.force})

    async def ReportCursor(
        self,
        request: log_pb2.ReportCursorRequest,
        context: Call,
    ) -> log_pb2.ReportCursorResponse:
        """Move a consumer's cursor."""
        _check_consumer(request.consumer)
        await self._consumers.report(
            caller_of(context).name, request.force, request.consumer, request.position
        )
        return log_pb2.ReportCursorResponse()

    async def RegisterConsumer(
        self,
        request: log_pb2.RegisterConsumerRequest,
        context: Call,
    ) -> log_pb2.RegisterConsumerResponse:
        """Make retention wait for a consumer."""
        _check_consumer(request.consumer)
        position = await self._consumers.register(caller_of(context).name, request.force, request.consumer)
        return log_pb2.RegisterConsumerResponse(position=position)

    async def RetireConsumer(
        self,
        request: log_pb2.RetireConsumerRequest,
        context: Call,
    ) -> log_pb2.RetireConsumerResponse:
        """Stop retention's waiting for a consumer."""
        _check_consumer(request.consumer)
        await self._consumers.retire(caller_of(context).name, request.force, request.consumer)
        return log_pb2.RetireConsumerResponse()

    async def _responses(
        self, request: log_pb2.TailReadsRequest, part: LogPart
    ) -> AsyncIterator[log_pb2.TailReadsResponse]:
        """A part as one response, or as several where it is large."""
        appends: list[bytes] = []
        size = 0
        for entry in part.entries:
            if entry.canary and not request.canaries:
                continue
            body = await self._with_images(request.force, entry) if request.include_images else entry.body
            if appends and size + len(body) > _RESPONSE_BYTES:
                yield log_pb2.TailReadsResponse(appends=appends, position=entry.after, head=part.head)
                appends, size = [], 0
            if body:
                appends.append(body)
                size += len(body)
        yield log_pb2.TailReadsResponse(appends=appends, position=part.position, head=part.head)

    async def _with_images(self, force: str, entry: LogEntry) -> bytes:
        if entry.images is None:
            return entry.body
        return Appended(entry.body).with_images(*await fetch_images(self._images, force, entry.images))


def _checked(request: log_pb2.AppendReadsRequest, now_us: int) -> CheckedReads:
    if not request.canary:
        return checked(request.force, request.reads, now_us)
    if request.reads:
        raise InvalidInput("CANARY_INVALID", "an append has reads or a canary, not both", field="canary")
    return checked(request.force, request.canary, now_us, canary=True)


def _most_reads(request: log_pb2.TailReadsRequest) -> int:
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
