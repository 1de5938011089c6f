"""Clients of the log and of the buffer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Final

import grpc
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1 import buffer_pb2, log_pb2
from gantry.store.v1.buffer_pb2_grpc import BufferServiceStub
from gantry.store.v1.log_pb2_grpc import ReadLogServiceStub

from chassis.telemetry import untraced
from clients.answer import answer_of, answers_of

DEADLINE_SECONDS: Final = 10.0


class ReadLogClient:
    """Calls the log with the certificate that opened `channel`. Every method raises Fault.

    A channel may repeat calls that end with UNAVAILABLE. That is harmless: a repeated append finds
    duplicates, and the other calls are idempotent.
    """

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = ReadLogServiceStub(channel)
        self._deadline = deadline

    async def append(
        self, force: str, reads: ReadColumns | bytes, *, canary: bool = False
    ) -> log_pb2.AppendReadsResponse:
        """Append reads, which may be serialised already, or a canary; they are durable on return."""
        encoded = reads if isinstance(reads, bytes) else reads.SerializeToString()
        request = log_pb2.AppendReadsRequest(force=force)
        if canary:
            request.canary = encoded
        else:
            request.reads = encoded
        return await answer_of(self._stub.AppendReads(request, timeout=self._deadline))

    def follow(
        self,
        force: str,
        consumer: str,
        *,
        after: int | None,
        include_images: bool = False,
        max_reads: int = 0,
        canaries: bool = False,
    ) -> AsyncGenerator[log_pb2.TailReadsResponse, None]:
        """The log after a position, or from the oldest read (None), until the store or the caller stops."""
        request = log_pb2.TailReadsRequest(
            force=force,
            consumer=consumer,
            include_images=include_images,
            max_reads=max_reads,
            canaries=canaries,
        )
        if after is None:
            request.earliest = True
        else:
            request.after_position = after
        return answers_of(self._stub.TailReads(request))

    async def report_cursor(self, force: str, consumer: str, position: int) -> None:
        """Report the position up to which a consumer has durably processed the log.

        Raises NotFound CONSUMER_UNKNOWN.
        """
        request = log_pb2.ReportCursorRequest(force=force, consumer=consumer, position=position)
        await answer_of(self._stub.ReportCursor(request, timeout=self._deadline))

    async def register_consumer(self, force: str, consumer: str) -> int:
        """Make retention wait for a consumer. Returns its cursor."""
        request = log_pb2.RegisterConsumerRequest(force=force, consumer=consumer)
        return (await answer_of(self._stub.RegisterConsumer(request, timeout=self._deadline))).position

    async def retire_consumer(self, force: str, consumer: str) -> None:
        """Stop retention's waiting for a consumer."""
        request = log_pb2.RetireConsumerRequest(force=force, consumer=consumer)
        await answer_of(self._stub.RetireConsumer(request, timeout=self._deadline))


class BufferClient:
    """Shows buffers, with the certificate that opened `channel`. Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = BufferServiceStub(channel)
        self._deadline = deadline

    async def status(self, force: str) -> buffer_pb2.GetBufferStatusResponse:
        """State of a force's buffer."""
        request = buffer_pb2.GetBufferStatusRequest(force=force)
        return await answer_of(self._stub.GetBufferStatus(request, timeout=self._deadline))

    async def heads(self, forces: Iterable[str]) -> dict[str, int]:
        """The positions of the newest reads of these forces; of those that the store does not tell, none."""
        asked = list(forces)
        with untraced():
            told = await asyncio.gather(*map(self.status, asked), return_exceptions=True)
        return {
            force: status.head
            for force, status in zip(asked, told, strict=True)
            if isinstance(status, buffer_pb2.GetBufferStatusResponse)
        }

    async def purge_certificates(
        self, force: str, *, page_size: int = 0
    ) -> AsyncIterator[buffer_pb2.PurgeCertificate]:
        """Certificates of deletion, newest first, page after page."""
        request = buffer_pb2.ListPurgeCertificatesRequest(force=force, page_size=page_size)
        while True:
            page = await answer_of(self._stub.ListPurgeCertificates(request, timeout=self._deadline))
            for certificate in page.certificates:
                yield certificate
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
