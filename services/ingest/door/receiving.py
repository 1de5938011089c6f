"""Turns the bytes of one message into a pending batch, and queues it for its append."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from gantry.ingest.v1 import ingest_pb2 as pb
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, get_current_span, set_span_in_context

from chassis import traceparent as w3c
from chassis.errors import InvalidInput
from chassis.metrics import counter
from chassis.telemetry import tracer
from chassis.tracing import UNSAMPLED, TraceBudget
from services.ingest.appending.batch import PendingBatch, Submitter
from services.ingest.appending.lanes import Appends, ForceAppends
from services.ingest.cameras.counts import UnwrittenCounts
from services.ingest.cameras.feeds import Feed, FeedDirectory, token_unknown
from services.ingest.checking.batch import ImageLimits, Verdict, check_batch
from services.ingest.checking.read import AHEAD_US
from services.ingest.door.parsing import BatchParser, ParsedBatch, stream_parser, submit_parser
from services.ingest.names import MetricName, SpanName

_NO_PARENT: Final = Context()
# Memory that a read, and a batch, takes as Python objects, beside its bytes.
_READ_COST: Final = 1024
# The share of the saved-up traces that batches may use for which nobody asked: vendors that trace come first.
_BEGUN_HERE: Final = 0.5

_rejections = counter(MetricName.INGEST_REJECTIONS)


@dataclass(frozen=True, slots=True)
class ReceiverLimits:
    """Most reads in a batch, sizes of images, and batches a second that are traced."""

    batch_reads: int
    images: ImageLimits
    traces_per_second: float


class BatchReceiver:
    """The common part of streams and single calls."""

    def __init__(
        self, feeds: FeedDirectory, appends: Appends, counts: UnwrittenCounts, limits: ReceiverLimits
    ) -> None:
        self._feeds = feeds
        self._appends = appends
        self._counts = counts
        self._images = limits.images
        self._stream = stream_parser(limits.batch_reads)
        self._single = submit_parser(limits.batch_reads)
        self._traces = TraceBudget(limits.traces_per_second)

    def feed(self, key: bytes) -> Feed:
        """The feed as it is now. Raises Unauthenticated TOKEN_UNKNOWN when its token is no longer valid."""
        feed = self._feeds.feeds.get(key)
        if feed is None:
            raise token_unknown()
        return feed

    def open(self, key: bytes) -> ForceAppends:
        """The appends of the feed's force.

        Raises Unauthenticated TOKEN_UNKNOWN, and Unavailable STORE_UNAVAILABLE while the force's reads cannot
        be stored.
        """
        feed = self.feed(key)
        appends = self._appends.of(feed.force)
        if feed.canary:
            appends = replace(appends, counted=False)
        appends.check()
        return appends

    def stream_batch(self, submitter: Submitter, key: bytes, data: bytes, after: int) -> PendingBatch:
        """Take one message of a stream. Its sequence must be greater than `after`.

        Raises Unauthenticated TOKEN_UNKNOWN, and InvalidInput MALFORMED_MESSAGE, BATCH_TOO_LARGE or
        SEQUENCE_NOT_INCREASING.
        """
        feed = self.feed(key)
        parsed = _parsed(self._stream, feed, data)
        if parsed.sequence <= after:
            raise InvalidInput(
                "SEQUENCE_NOT_INCREASING",
                f"sequence {parsed.sequence} came after {after}; number batches upwards in each stream",
                field="sequence",
            )
        return self._batch(submitter, feed, parsed, len(data), self._span(feed, parsed.traceparent))

    def single_batch(self, submitter: Submitter, key: bytes, data: bytes) -> PendingBatch:
        """Take the message of a single call. Raises InvalidInput MALFORMED_MESSAGE, BATCH_TOO_LARGE."""
        feed = self.feed(key)
        parsed = _parsed(self._single, feed, data)
        return self._batch(submitter, feed, parsed, len(data), self._span_below(feed))

    def _batch(
        self, submitter: Submitter, feed: Feed, parsed: ParsedBatch, size: int, span: Span
    ) -> PendingBatch:
        latest_us = time.time_ns() // 1000 + AHEAD_US
        verdict = check_batch(parsed.reads, parsed.broken, feed, latest_us, self._images)
        if verdict.rejections and not feed.canary:
            self._count(feed, verdict)
        cost = size + _READ_COST * (1 + len(parsed.reads))
        return PendingBatch(submitter, feed, parsed.sequence, verdict, verdict.kept, cost, span)

    def _count(self, feed: Feed, verdict: Verdict) -> None:
        reasons = Counter([rejection.reason for rejection in verdict.rejections])
        for reason, count in reasons.items():
            name = pb.RejectionReason.Name(reason).removeprefix("REJECTION_REASON_")
            _rejections.add(count, {"force": feed.force, "reason": name})
        for camera_id, rejection in zip(verdict.rejected_cameras, verdict.rejections, strict=True):
            if camera_id in feed.cameras:
                self._counts.rejected(feed.force, camera_id, rejection.reason)

    def _span(self, feed: Feed, traceparent: str) -> Span:
        """The span of the batch, a child of the vendor's span when that is sampled.

        A vendor can set the sampled flag on every batch, so the number of such spans a second is limited.
        Each of them costs all services together some ten spans.
        """
        remote = w3c.parse(traceparent) if traceparent else None
        if remote is None:
            return self._new_trace(feed)
        if not remote.trace_flags.sampled or not self._traces.take():
            return UNSAMPLED
        parent = set_span_in_context(NonRecordingSpan(remote), _NO_PARENT)
        return _described(tracer().start_span(SpanName.INGEST_BATCH, parent, SpanKind.SERVER), feed)

    def _new_trace(self, feed: Feed) -> Span:
        # Cheaper than to begin a span that is not sampled: this runs for each batch of each camera.
        if not tracer().may_begin() or not self._traces.take(_BEGUN_HERE):
            return UNSAMPLED
        return _described(tracer().start_span(SpanName.INGEST_BATCH, _NO_PARENT, SpanKind.SERVER), feed)

    def _span_below(self, feed: Feed) -> Span:
        """The span of a batch below that of its call."""
        called = get_current_span().get_span_context()
        if called.trace_flags.sampled and not self._traces.take():
            return UNSAMPLED
        return _described(tracer().start_span(SpanName.INGEST_BATCH), feed)


def _parsed(parser: BatchParser, feed: Feed, data: bytes) -> ParsedBatch:
    parsed = parser.parse(data)
    if feed.canary and len(parsed.reads) > 1:
        raise InvalidInput(
            "BATCH_TOO_LARGE",
            f"the batch has {len(parsed.reads)} reads, a canary's has one; send each by itself",
            field="reads",
        )
    return parsed


def _described(span: Span, feed: Feed) -> Span:
    if span.is_recording():
        span.set_attributes({"force": feed.force, "feed": feed.name})
    return span
