"""From the bytes of one message to a batch that waits for its append."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from gantry.ingest.v1 import ingest_pb2 as pb
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, set_span_in_context

from chassis import traceparent as w3c
from chassis.errors import InvalidInput, Unauthenticated
from chassis.names import MetricName, SpanName
from chassis.telemetry import meter, tracer
from chassis.tracing import UNSAMPLED, TraceBudget
from services.ingest.availability import StoreAvailability
from services.ingest.batch import Batch, Owner
from services.ingest.columns import ImageLimits, Verdict, judge
from services.ingest.examine import AHEAD_US
from services.ingest.lanes import Lanes
from services.ingest.registry import Feed, Registry
from services.ingest.tallies import Tallies
from services.ingest.wire import Envelope, Opener

_NO_PARENT: Final = Context()
# What a read, and a batch, takes as Python objects, beside its bytes.
_READ_COST: Final = 1024
_BETWEEN_NEW_TRACES: Final = 0.002
_BEARER: Final = "bearer"

_rejections = meter().create_counter(MetricName.INGEST_REJECTIONS, "1", "Reads refused, by reason")
_warnings = meter().create_counter(
    MetricName.INGEST_WARNINGS, "1", "Images left out of reads that were kept, by reason"
)


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Most reads a batch, sizes of images, and traces a second that vendors may ask for."""

    batch_reads: int
    images: ImageLimits
    traces_per_second: float


class Intake:
    """What every way of delivering has in common: who is it, what does it say, queue what is right."""

    def __init__(
        self,
        registry: Registry,
        lanes: Lanes,
        availability: StoreAvailability,
        tallies: Tallies,
        limits: IntakeLimits,
    ) -> None:
        self._registry = registry
        self._lanes = lanes
        self._availability = availability
        self._tallies = tallies
        self._images = limits.images
        self._stream = Opener(pb.StreamReadsRequest, limits.batch_reads)
        self._single = Opener(pb.SubmitReadsRequest, limits.batch_reads)
        self._traces = TraceBudget(limits.traces_per_second)
        self._next_trace_at = 0.0

    def authenticate(self, metadata: Any) -> bytes:
        """The key of the feed whose token the call carries. Raises Unauthenticated TOKEN_MISSING or
        TOKEN_UNKNOWN, and Unavailable STORE_UNAVAILABLE while nothing could be taken anyway.
        """
        key, _ = self._registry.find(_token_in(metadata))
        self.feed(key)
        self._availability.check()
        return key

    def feed(self, key: bytes) -> Feed:
        """The feed as it is now. Raises Unauthenticated TOKEN_UNKNOWN when its token was revoked."""
        feed = self._registry.feeds.get(key)
        if feed is None:
            raise token_unknown()
        return feed

    def stream_batch(self, owner: Owner, key: bytes, data: bytes, after: int) -> Batch:
        """Take one message of a stream, whose sequence must be greater than `after`.

        Raises InvalidInput MALFORMED_MESSAGE, BATCH_TOO_LARGE, SEQUENCE_NOT_INCREASING.
        """
        feed = self.feed(key)
        self._availability.check()
        envelope = self._stream.open(data)
        if envelope.sequence <= after:
            raise InvalidInput(
                "SEQUENCE_NOT_INCREASING",
                f"sequence {envelope.sequence} came after {after}; number batches upwards in each stream",
                field="sequence",
            )
        return self._batch(owner, feed, envelope, len(data), self._span(feed, envelope.traceparent))

    def single_batch(self, owner: Owner, key: bytes, data: bytes) -> Batch:
        """Take the only message of a call. Raises InvalidInput MALFORMED_MESSAGE, BATCH_TOO_LARGE."""
        feed, envelope = self.feed(key), self._single.open(data)
        span = tracer().start_span(SpanName.INGEST_BATCH, attributes={"force": feed.force, "feed": feed.name})
        return self._batch(owner, feed, envelope, len(data), span)

    def queue(self, batch: Batch) -> None:
        """Send a batch on its way; its owner hears of it, at once when no read of it is to be stored."""
        if batch.verdict.kept:
            self._lanes.put(batch)
        else:
            batch.end_span()
            batch.owner.settled(batch)

    def _batch(self, owner: Owner, feed: Feed, envelope: Envelope, size: int, span: Span) -> Batch:
        latest_us = time.time_ns() // 1000 + AHEAD_US
        verdict = judge(envelope.reads, envelope.broken, feed, latest_us, self._images)
        if verdict.rejections:
            self._count(feed, verdict)
        if verdict.warnings:
            _count_warnings(verdict)
        cost = size + _READ_COST * (1 + len(envelope.reads))
        return Batch(owner, feed, envelope.sequence, verdict, cost, span)

    def _count(self, feed: Feed, verdict: Verdict) -> None:
        reasons = Counter([rejection.reason for rejection in verdict.rejections])
        for reason, count in reasons.items():
            name = pb.RejectionReason.Name(reason).removeprefix("REJECTION_REASON_")
            _rejections.add(count, {"reason": name})
        for camera_id, rejection in zip(verdict.refused_cameras, verdict.rejections, strict=True):
            if camera_id in feed.cameras:
                self._tallies.rejected(feed.force, camera_id, rejection.reason)

    def _span(self, feed: Feed, traceparent: str) -> Span:
        """The batch's span, a child of the vendor's own when that is sampled.

        Anybody can set the sampled flag on every batch, so following it has a budget.
        """
        remote = w3c.parse(traceparent) if traceparent else None
        if remote is None:
            return self._new_trace(feed)
        if not remote.trace_flags.sampled or not self._traces.take():
            return UNSAMPLED
        parent = set_span_in_context(NonRecordingSpan(remote), _NO_PARENT)
        return _described(tracer().start_span(SpanName.INGEST_BATCH, parent, SpanKind.SERVER), feed)

    def _new_trace(self, feed: Feed) -> Span:
        # The tracer has the last word, but is not asked for every read of a thousand cameras.
        now = time.monotonic()
        if now < self._next_trace_at:
            return UNSAMPLED
        self._next_trace_at = now + _BETWEEN_NEW_TRACES
        return _described(tracer().start_span(SpanName.INGEST_BATCH, _NO_PARENT, SpanKind.SERVER), feed)


def _count_warnings(verdict: Verdict) -> None:
    for reason, count in Counter([warning.reason for warning in verdict.warnings]).items():
        name = pb.WarningReason.Name(reason).removeprefix("WARNING_REASON_")
        _warnings.add(count, {"reason": name})


def _described(span: Span, feed: Feed) -> Span:
    if span.is_recording():
        span.set_attributes({"force": feed.force, "feed": feed.name})
    return span


def token_unknown() -> Unauthenticated:
    """The fault for a token that belongs to no feed, or no longer."""
    return Unauthenticated(
        "TOKEN_UNKNOWN",
        "no feed has this token, or it was replaced; ask the force's ANPR engineer for a new one",
    )


def _token_in(metadata: Any) -> str:
    for key, value in metadata or ():
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == _BEARER and token.strip():
                return token.strip()
    raise Unauthenticated(
        "TOKEN_MISSING", "send the feed's token as metadata `authorization: Bearer <token>` with every call"
    )
