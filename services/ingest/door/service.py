"""The RPCs of the public port. The guard has checked the feed's token before either of them runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import grpc
from gantry.ingest.v1 import ingest_pb2 as pb

from chassis.errors import Exhausted, Fault, Unavailable
from chassis.identity import caller_of
from services.ingest.appending.batch import PendingBatch
from services.ingest.cameras.feeds import FeedCaller, FeedDirectory, token_unknown
from services.ingest.door.receiving import BatchReceiver
from services.ingest.door.stream import FeedStream, StreamLimits

_RETRY_SECONDS: Final = 1.0


class IngestService:
    """Both methods take and return serialised messages: register them with `raw_handlers`."""

    def __init__(
        self,
        receiver: BatchReceiver,
        feeds: FeedDirectory,
        limits: StreamLimits,
        streams_per_feed: int,
    ) -> None:
        self._receiver = receiver
        self._feeds = feeds
        self._limits = limits
        self._streams_per_feed = streams_per_feed
        self._streams: set[FeedStream] = set()
        self._per_feed: Counter[bytes] = Counter()
        feeds.on_change(self._end_revoked)

    @property
    def streams(self) -> int:
        """Streams open now."""
        return len(self._streams)

    def raw_handlers(self) -> dict[str, Any]:
        """The methods as handlers of bytes, by name."""
        return {
            "StreamReads": grpc.stream_stream_rpc_method_handler(self.StreamReads),
            "SubmitReads": grpc.unary_unary_rpc_method_handler(self.SubmitReads),
        }

    async def StreamReads(self, requests: Any, context: Any) -> None:
        """Serve one stream."""
        key = _key_of(context)
        appends = self._receiver.open(key)
        if self._per_feed[key] >= self._streams_per_feed:
            raise too_much("this feed has too many streams open; close some or send over fewer")
        stream = FeedStream(context, key, self._receiver, appends, self._limits)
        self._streams.add(stream)
        self._per_feed[key] += 1
        try:
            await stream.serve()
        finally:
            self._streams.discard(stream)
            self._per_feed[key] -= 1
            if not self._per_feed[key]:
                del self._per_feed[key]

    async def SubmitReads(self, request: bytes, context: Any) -> bytes:
        """Serve one batch."""
        key = _key_of(context)
        appends = self._receiver.open(key)
        if appends.memory.full:
            appends.refused()
            raise too_much("too many reads are on their way to the store; wait and send again")
        await appends.pace.take(appends.force, len(request))
        await appends.turn(key, len(request))
        call = _SubmitCall()
        appends.put(self._receiver.single_batch(call, key, request))
        batch = await call.outcome
        return pb.SubmitReadsResponse(ack=batch.ack()).SerializeToString()

    def stop(self) -> None:
        """End every stream after the acknowledgements of its batches under way."""
        self._end(self._streams, Unavailable("STOPPING", "this server stops; reconnect", retry_after=0.1))

    def _end_revoked(self) -> None:
        feeds = self._feeds.feeds
        self._end([stream for stream in self._streams if stream.key not in feeds], token_unknown())

    def _end(self, streams: Iterable[FeedStream], fault: Fault) -> None:
        for stream in list(streams):
            stream.end(fault)


class _SubmitCall:
    """The submitter of a single call's batch."""

    def __init__(self) -> None:
        self.broken = False
        self.outcome: asyncio.Future[PendingBatch] = asyncio.get_running_loop().create_future()

    def settled(self, batch: PendingBatch) -> None:
        if not self.outcome.done():
            self.outcome.set_result(batch)

    def failed(self, batch: PendingBatch, fault: Fault) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(fault)


def _key_of(context: Any) -> bytes:
    """The key of the token that the feed showed."""
    caller = caller_of(context)
    assert isinstance(caller, FeedCaller), "only feeds may call"
    return caller.key


def flow_control(batch_reads: int, batch_bytes: int, reads_in_flight: int) -> bytes:
    """The first message of every stream, serialised."""
    flow = pb.FlowControl(
        max_batch_reads=batch_reads, max_batch_bytes=batch_bytes, max_reads_in_flight=reads_in_flight
    )
    return pb.StreamReadsResponse(flow_control=flow).SerializeToString()


def too_much(message: str) -> Exhausted:
    """The fault for a vendor that should send more slowly."""
    return Exhausted("TOO_MUCH_IN_FLIGHT", message, retry_after=_RETRY_SECONDS)
