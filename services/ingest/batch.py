"""A vendor's batch on its way to the store."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, Protocol

from gantry.ingest.v1 import ingest_pb2 as pb
from opentelemetry.trace import Span

from chassis import traceparent as w3c
from chassis.errors import Fault
from services.ingest.columns import Verdict
from services.ingest.registry import Feed

# Nearly every acknowledgement is three numbers: filling in one message is quicker than making two.
_RESPONSE: Final = pb.StreamReadsResponse(ack=pb.BatchAck())
_PLAIN: Final = _RESPONSE.ack


class Owner(Protocol):
    """Who waits for a batch: a stream, or a single call."""

    def settled(self, batch: Batch) -> None:
        """The batch's reads are durable; `batch.duplicate` says how many were before."""

    def failed(self, batch: Batch, fault: Fault) -> None:
        """The batch's reads may or may not be durable, and will not be tried again."""


@dataclass(slots=True, eq=False)
class Batch:
    """What is kept of a batch, for whom, and since when."""

    owner: Owner
    feed: Feed
    sequence: int
    verdict: Verdict
    cost: int
    """Bytes of memory it is taken to hold."""
    span: Span
    received_at: float = field(default_factory=time.monotonic)
    duplicate: int = 0
    resolved: bool = False

    @property
    def kept(self) -> int:
        """Reads that go to the store."""
        return self.verdict.kept

    @property
    def traceparent(self) -> str:
        """The trace to continue, or "" when the batch is not traced."""
        return w3c.render(self.span.get_span_context()) if self.span.is_recording() else ""

    def acknowledgement(self) -> bytes:
        """The stream's response, serialised, once the batch is resolved."""
        verdict = self.verdict
        if verdict.rejections or verdict.warnings:
            return pb.StreamReadsResponse(ack=self.ack()).SerializeToString()
        _PLAIN.sequence = self.sequence
        _PLAIN.accepted = verdict.kept - self.duplicate
        _PLAIN.duplicate = self.duplicate
        return _RESPONSE.SerializeToString()

    def ack(self) -> pb.BatchAck:
        """The verdict for the vendor, once the batch is resolved."""
        verdict = self.verdict
        ack = pb.BatchAck(
            sequence=self.sequence, accepted=verdict.kept - self.duplicate, duplicate=self.duplicate
        )
        if verdict.rejections or verdict.warnings:
            ack.rejections.extend(verdict.rejections)
            ack.warnings.extend(verdict.warnings)
        return ack

    def end_span(self) -> None:
        """Close the batch's span with what became of it."""
        span = self.span
        if span.is_recording():
            span.set_attribute("reads.kept", self.verdict.kept)
            span.set_attribute("reads.duplicate", self.duplicate)
            span.set_attribute("reads.rejected", len(self.verdict.rejections))
            span.end()
