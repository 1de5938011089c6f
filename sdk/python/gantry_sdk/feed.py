"""One feed: the cameras that share a token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import grpc
from gantry.ingest.v1.ingest_pb2 import SubmitReadsRequest, SubmitReadsResponse, SubmittedRead

from gantry_sdk import checks
from gantry_sdk.backoff import Backoff
from gantry_sdk.batches import PreparedBatch
from gantry_sdk.endpoint import FAILURES_BEFORE, Endpoint
from gantry_sdk.errors import FeedUnavailable, ServerNotTrusted, feed_error
from gantry_sdk.receipts import Receipt
from gantry_sdk.stream import ReadStream, StreamLimits
from gantry_sdk.trouble import Trouble

_SUBMIT: Final = "/gantry.ingest.v1.IngestService/SubmitReads"
_ATTEMPT_SECONDS: Final = 20.0
_UNREAD_RECEIPTS: Final = 1_000


class FeedClient:
    """Delivers the reads of one feed over a connection that others share. Get it from `Connection.feed`."""

    def __init__(
        self,
        endpoint: Endpoint,
        token: str,
        *,
        limits: StreamLimits | None = None,
        backoff: Backoff | None = None,
        trouble: Trouble | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._trouble = trouble or Trouble()
        self._metadata = (("authorization", f"Bearer {checks.token(token)}"),)
        self._limits = limits or StreamLimits()
        self._backoff = backoff or Backoff()

    def stream(self, on_receipt: Callable[[Receipt], None] | None = None) -> ReadStream:
        """A stream to send batches over, for use in ``async with``.

        `on_receipt` is called in the order of the batches, from the event loop; it must be quick. Without it,
        the logger ``gantry_sdk`` warns of refused reads and of remarks, each reason at most once a minute.
        """
        return ReadStream(
            self._endpoint,
            self._metadata,
            limits=self._limits,
            backoff=self._backoff,
            on_receipt=on_receipt,
            trouble=self._trouble,
        )

    async def submit(self, reads: Sequence[SubmittedRead], *, seconds: float = 60.0) -> Receipt:
        """Deliver one batch of at most 1,000 reads without a stream, trying for up to `seconds`.

        Raises FeedRefused when the server will never take it, ServerNotTrusted as soon as its certificate
        turns out wrong, FeedUnavailable when time is up, and TypeError for what is no list of reads.
        """
        request, started, failures = SubmitReadsRequest(reads=checks.batch(reads)), time.monotonic(), 0
        while True:
            left = started + seconds - time.monotonic()
            channel = self._endpoint.channel
            submit = channel.unary_unary(
                _SUBMIT, SubmitReadsRequest.SerializeToString, SubmitReadsResponse.FromString
            )
            try:
                response = await submit(
                    request, timeout=max(0.001, min(left, _ATTEMPT_SECONDS)), metadata=self._metadata
                )
            except grpc.aio.AioRpcError as failed:
                error = feed_error(failed)
            else:
                return _receipt(response, len(reads), time.monotonic() - started)
            failures += 1
            if failures >= FAILURES_BEFORE:
                self._endpoint.replace(channel)
            wait = self._backoff.wait(failures, error.retry_after or 0.0)
            lasting = isinstance(error, ServerNotTrusted) or not isinstance(error, FeedUnavailable)
            if lasting or time.monotonic() + wait > started + seconds:
                raise error
            await asyncio.sleep(wait)

    async def deliver(
        self, batches: AsyncIterator[Sequence[SubmittedRead] | PreparedBatch]
    ) -> AsyncIterator[Receipt]:
        """Send every batch over one stream and yield the receipts in order; ends when all are acknowledged.

        Reads no further ahead in `batches` than flow control allows, nor while many receipts are unread.
        """
        receipts: asyncio.Queue[Receipt | None] = asyncio.Queue()
        taken = asyncio.Event()

        async def send_all() -> None:
            try:
                async with self.stream(receipts.put_nowait) as stream:
                    async for batch in batches:
                        await stream.send(batch)
                        while receipts.qsize() > _UNREAD_RECEIPTS:
                            taken.clear()
                            await taken.wait()
            finally:
                receipts.put_nowait(None)

        sending = asyncio.create_task(send_all(), name="gantry-sdk deliver")
        try:
            while (receipt := await receipts.get()) is not None:
                taken.set()
                yield receipt
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


def _receipt(response: SubmitReadsResponse, reads: int, seconds: float) -> Receipt:
    ack = response.ack
    return Receipt(
        None, 0, 0, reads, ack.accepted, ack.duplicate, list(ack.rejections), list(ack.warnings), seconds
    )
