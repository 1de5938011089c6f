"""A stream of batches over a network that fails: batches that were not acknowledged are sent again."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import grpc
from gantry.ingest.v1.ingest_pb2 import BatchAck, FlowControl, StreamReadsResponse, SubmittedRead

from gantry_sdk import checks, leaving
from gantry_sdk.backoff import Backoff
from gantry_sdk.batches import PreparedBatch, prepare, request_of, split
from gantry_sdk.endpoint import FAILURES_BEFORE, Endpoint
from gantry_sdk.errors import FeedError, FeedUnavailable, feed_error
from gantry_sdk.receipts import Receipt
from gantry_sdk.trouble import Trouble

_STREAM: Final = "/gantry.ingest.v1.IngestService/StreamReads"
_CLOSE_SECONDS: Final = 5.0
# The limits that the SDK assumes until the server's FlowControl arrives.
_ASSUMED: Final = FlowControl(max_batch_reads=500, max_batch_bytes=1024 * 1024, max_reads_in_flight=5000)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much may be unacknowledged in this process. Beyond it `send` waits."""

    unacknowledged_reads: int = 5_000
    """Reads. The server's own limit applies too."""
    unacknowledged_bytes: int = 64 * 1024 * 1024
    """Bytes of serialised batches."""


@dataclass(slots=True)
class _Unacked:
    sequence: int
    batch: PreparedBatch
    tag: object
    offset: int
    traceparent: str
    sent_at: float
    attempt: int = 0


class ReadStream:
    """Sends batches and receives receipts, over one connection after the other.

    It runs one task. Use ``async with``: leaving it normally waits until everything is acknowledged, leaving
    it by an exception drops the rest. Then, and when the process ends, the logger ``gantry_sdk`` says how
    many reads these are. Only one task at a time may call `send`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        metadata: Sequence[tuple[str, str]],
        *,
        limits: StreamLimits,
        backoff: Backoff,
        on_receipt: Callable[[Receipt], None] | None,
        trouble: Trouble | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._metadata = metadata
        self._limits = limits
        self._backoff = backoff
        self._on_receipt = on_receipt
        self._trouble = trouble or Trouble()
        self._last_error: FeedError | None = None
        self._flow = _ASSUMED
        self._most_reads = min(limits.unacknowledged_reads, _ASSUMED.max_reads_in_flight)
        self._unacked: deque[_Unacked] = deque()
        self._reads = 0
        self._waiting_reads = 0
        self._bytes = 0
        self._sequence = 0
        self._call: Any = None
        self._attempt = 0
        self._caught_up = False
        self._on_wire = 0
        self._cautious = False
        self._progressed = False
        self._closing = False
        self._failure: BaseException | None = None
        self._writing = asyncio.Lock()
        self._waiting: list[asyncio.Future[None]] = []
        self._pump: asyncio.Task[None] | None = None
        self._resending: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the server has answered on the current connection."""
        return self._call is not None

    @property
    def last_error(self) -> FeedError | None:
        """Why the last connection ended or failed. None while there is a connection.

        After ServerNotTrusted or FeedRefused a person has to act. Any other FeedUnavailable may pass.
        """
        return self._last_error

    @property
    def unacknowledged(self) -> list[object]:
        """The tags of the batches sent and not acknowledged, oldest first."""
        return [entry.tag for entry in self._unacked]

    @property
    def unacknowledged_reads(self) -> int:
        """Reads sent and not acknowledged."""
        return self._reads

    @property
    def held_reads(self) -> int:
        """The same, with those of the last `send` that wait for room."""
        return self._reads + self._waiting_reads

    @property
    def target(self) -> str:
        """The server's address."""
        return self._trouble.target

    async def send(
        self,
        batch: Sequence[SubmittedRead] | PreparedBatch,
        *,
        tag: object = None,
        traceparent: str = "",
    ) -> None:
        """Send a batch. Returns when it was sent, or kept while there is no connection.

        Waits while too much is unacknowledged. Reads that exceed the server's limits are split into several
        batches, each with a receipt of its own and the same `tag`. `traceparent` is the W3C trace context of
        your own span. Raises FeedRefused once the server has refused the stream, and TypeError for anything
        else than a list of reads.
        """
        checks.text(traceparent, "traceparent")
        pieces, offset = self._pieces(batch), 0
        self._waiting_reads = sum(piece.count for piece in pieces)
        for piece in pieces:
            await self._send_piece(piece, tag, offset, traceparent)
            offset += piece.count

    async def drain(self) -> None:
        """Wait until everything sent is acknowledged. Raises FeedRefused when the stream was refused."""
        self._check()
        while self._unacked:
            await self._change()

    async def wait_connected(self) -> None:
        """Wait until the server has answered. Use it to open many streams gradually."""
        self._check()
        while self._call is None:
            await self._change()

    async def __aenter__(self) -> ReadStream:
        self._pump = asyncio.create_task(self._run(), name="gantry-sdk stream")
        leaving.opened(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._pump is not None, "entered before left"
        try:
            if error is None:
                await self.drain()
                await self._half_close()
        finally:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            leaving.ended(self)

    def _pieces(self, batch: Sequence[SubmittedRead] | PreparedBatch) -> Sequence[PreparedBatch]:
        if isinstance(batch, PreparedBatch):
            return (batch,)
        if not checks.batch(batch):
            return (prepare(()),)
        return list(split(batch, self._flow.max_batch_reads, self._flow.max_batch_bytes))

    async def _send_piece(self, batch: PreparedBatch, tag: object, offset: int, traceparent: str) -> None:
        self._check()
        while not self._fits(batch):
            await self._change()
        self._sequence += 1
        entry = _Unacked(self._sequence, batch, tag, offset, traceparent, time.monotonic())
        self._unacked.append(entry)
        self._waiting_reads -= batch.count
        self._reads += batch.count
        self._bytes += len(batch.body)
        if self._caught_up:
            async with self._writing:
                # The connection may have changed meanwhile. Then the batch is sent again with the others.
                if self._caught_up:
                    await self._write(entry)

    def _fits(self, batch: PreparedBatch) -> bool:
        if not self._unacked:
            return True
        return (
            self._reads + batch.count <= self._most_reads
            and len(self._unacked) < self._most_reads
            and self._bytes + len(batch.body) <= self._limits.unacknowledged_bytes
        )

    async def _write(self, entry: _Unacked) -> None:
        """Write, unless there is no connection or the batch was sent over it.

        The reader reports why a write failed.
        """
        call = self._call
        if call is None or entry.attempt == self._attempt:
            return
        entry.attempt = self._attempt
        self._on_wire += entry.batch.count
        try:
            await call.write(request_of(entry.sequence, entry.batch, entry.traceparent))
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            self._lose(call)
        except asyncio.CancelledError:
            self._lose(call)
            if _is_cancelled():
                raise

    def _lose(self, call: Any) -> None:
        """Write no more over a call that failed. A newer one stays."""
        if self._call is call:
            self._call = None

    async def _run(self) -> None:
        try:
            await self._reconnecting()
        except Exception as error:  # noqa: BLE001 - `send` and `drain` raise it
            self._failure = error
            self._wake()

    async def _reconnecting(self) -> None:
        failures = 0
        while not self._closing:
            channel = self._endpoint.channel
            error = await self._converse(channel)
            self._note(error)
            if not isinstance(error, FeedUnavailable):
                raise error
            failures = 1 if self._progressed else failures + 1
            self._cautious = not self._progressed
            if failures >= FAILURES_BEFORE:
                self._endpoint.replace(channel)
            if not self._closing:
                await asyncio.sleep(self._backoff.wait(failures, error.retry_after or 0.0))

    def _note(self, error: FeedError) -> None:
        if not self._closing:
            self._last_error = error
            self._trouble.failed(error)

    async def _converse(self, channel: grpc.aio.Channel) -> FeedError:
        """Open one stream and use it until it ends. Returns why it ended."""
        self._progressed = False
        call: Any = channel.stream_stream(_STREAM, None, StreamReadsResponse.FromString)(
            metadata=self._metadata
        )
        try:
            await self._exchange(call)
        except grpc.aio.AioRpcError as error:
            return feed_error(error)
        except asyncio.CancelledError:
            # A cancelled write cancels the call too. That is a lost connection, not the end of the stream.
            if _is_cancelled():
                raise
        finally:
            self._call = None
            self._caught_up = False
            if self._resending is not None:
                self._resending.cancel()
            call.cancel()
        return FeedUnavailable(grpc.StatusCode.UNAVAILABLE, "STREAM_ENDED", "the server ended the stream")

    async def _exchange(self, call: Any) -> None:
        response = await call.read()
        while response is not grpc.aio.EOF:
            if response.HasField("ack"):
                self._acknowledge(response.ack)
            elif response.HasField("flow_control"):
                self._begin(call, response.flow_control)
            response = await call.read()

    def _begin(self, call: Any, flow: FlowControl) -> None:
        self._flow = flow
        self._most_reads = min(self._limits.unacknowledged_reads, flow.max_reads_in_flight)
        if self._call is None:
            self._call = call
            self._attempt += 1
            self._on_wire = 0
            self._last_error = None
            self._trouble.over()
            # In a task of its own, since acknowledgements must be read meanwhile or both sides could wait.
            self._resending = asyncio.create_task(self._resend(), name="gantry-sdk resend")
        self._wake()

    async def _resend(self) -> None:
        """Resend the batches that are not acknowledged, in order. Batches that are sent meanwhile follow."""
        while True:
            await self._write_unsent()
            if self._call is None:
                return
            if not (self._cautious and self._on_wire):
                break
            # Batches that are sent during this wait have to be written before the stream has caught up.
            await self._woken()
        self._caught_up = True

    async def _write_unsent(self) -> None:
        while self._call is not None and self._unacked and self._unacked[-1].attempt != self._attempt:
            for entry in list(self._unacked):
                while self._on_wire and not self._may_follow(entry):
                    await self._woken()
                await self._write(entry)

    def _may_follow(self, entry: _Unacked) -> bool:
        """Whether a batch may be sent while others were sent and not acknowledged.

        When a server ends a stream during a write, gRPC may lose the reason. So after a connection that
        acknowledged nothing, one batch is sent alone: if the server refuses it, the reason arrives.
        """
        return not self._cautious and self._on_wire + entry.batch.count <= self._most_reads

    def _acknowledge(self, ack: BatchAck) -> None:
        if not self._unacked or self._unacked[0].sequence != ack.sequence:
            raise FeedError(grpc.StatusCode.INTERNAL, "ACK_OUT_OF_ORDER", "the server skipped a batch")
        entry = self._unacked.popleft()
        self._reads -= entry.batch.count
        self._on_wire -= entry.batch.count
        self._bytes -= len(entry.batch.body)
        self._progressed = True
        self._cautious = False
        if self._on_receipt is not None:
            self._on_receipt(_receipt(entry, ack))
        elif ack.rejections or ack.warnings:
            self._trouble.remarked(_receipt(entry, ack))
        if self._waiting:
            self._wake()

    async def _half_close(self) -> None:
        self._closing = True
        call = self._call
        if call is not None and self._pump is not None:
            await call.done_writing()
            await asyncio.wait({self._pump}, timeout=_CLOSE_SECONDS)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._pump is None or self._closing:
            raise ValueError("the stream is not open; use it inside its async with block")

    async def _change(self) -> None:
        """Wait until a batch is acknowledged or the stream connects. Raises the error of the stream."""
        await self._woken()
        self._check()

    async def _woken(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _receipt(entry: _Unacked, ack: BatchAck) -> Receipt:
    return Receipt(
        entry.tag,
        entry.sequence,
        entry.offset,
        entry.batch.count,
        ack.accepted,
        ack.duplicate,
        ack.rejections,
        ack.warnings,
        time.monotonic() - entry.sent_at,
    )
