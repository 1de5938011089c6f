"""The gRPC face of the public door."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import grpc
from gantry.ingest.v1 import ingest_pb2 as pb

from chassis.errors import Exhausted, Fault, Unavailable
from services.ingest.batch import Batch
from services.ingest.budget import Budget
from services.ingest.intake import Intake, token_unknown
from services.ingest.registry import Registry
from services.ingest.stream import FeedStream, StreamLimits

_SOON_SECONDS: Final = 1.0


class IngestService:
    """Both methods take and give serialised messages: register them with `raw_handlers`."""

    def __init__(
        self,
        intake: Intake,
        budget: Budget,
        registry: Registry,
        limits: StreamLimits,
        streams_per_feed: int,
    ) -> None:
        self._intake = intake
        self._budget = budget
        self._registry = registry
        self._limits = limits
        self._streams_per_feed = streams_per_feed
        self._streams: set[FeedStream] = set()
        self._per_feed: Counter[bytes] = Counter()
        registry.on_change(self._end_revoked)

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

    async def StreamReads(self, requests: Any, context: Any) -> None:  # noqa: ARG002 - read from the context
        """Serve one stream."""
        key = self._intake.authenticate(context.invocation_metadata())
        if self._per_feed[key] >= self._streams_per_feed:
            raise too_much("this feed has too many streams open; close some or send over fewer")
        stream = FeedStream(context, key, self._intake, self._budget, self._limits)
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
        key = self._intake.authenticate(context.invocation_metadata())
        if self._budget.full:
            raise too_much("too many reads are on their way to the store; wait and send again")
        waiting = _Waiting()
        self._intake.queue(self._intake.single_batch(waiting, key, request))
        batch = await waiting.outcome
        return pb.SubmitReadsResponse(ack=batch.ack()).SerializeToString()

    def stop(self) -> None:
        """Ask every stream to end, each after the acknowledgements that are under way."""
        self._end(self._streams, Unavailable("STOPPING", "this server stops; reconnect", retry_after=0.1))

    def _end_revoked(self) -> None:
        feeds = self._registry.feeds
        self._end([stream for stream in self._streams if stream.key not in feeds], token_unknown())

    def _end(self, streams: Iterable[FeedStream], fault: Fault) -> None:
        for stream in list(streams):
            stream.end(fault)


class _Waiting:
    """Owns the batch of a single call."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Batch] = asyncio.get_running_loop().create_future()

    def settled(self, batch: Batch) -> None:
        if not self.outcome.done():
            self.outcome.set_result(batch)

    def failed(self, batch: Batch, fault: Fault) -> None:  # noqa: ARG002 - an owner hears which batch
        if not self.outcome.done():
            self.outcome.set_exception(fault)


def flow_control(batch_reads: int, batch_bytes: int, reads_in_flight: int) -> bytes:
    """The first message of every stream, serialised."""
    flow = pb.FlowControl(
        max_batch_reads=batch_reads, max_batch_bytes=batch_bytes, max_reads_in_flight=reads_in_flight
    )
    return pb.StreamReadsResponse(flow_control=flow).SerializeToString()


def too_much(message: str) -> Exhausted:
    """The fault for a vendor who should slow down."""
    return Exhausted("TOO_MUCH_IN_FLIGHT", message, retry_after=_SOON_SECONDS)
