"""A vendor's batch that waits until the store has its reads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from gantry.ingest.v1 import ingest_pb2 as pb
from opentelemetry.trace import Span

from chassis import traceparent as w3c
from chassis.errors import Fault
from services.ingest.cameras.feeds import Feed
from services.ingest.checking.batch import Verdict

# Nearly every acknowledgement has only three numbers. Filling one message is faster than making two.
_RESPONSE: Final = pb.StreamReadsResponse(ack=pb.BatchAck())
_ACK: Final = _RESPONSE.ack


class Submitter(Protocol):
    """The stream or the call that a batch came with.

    `broken`: one of its batches has failed. The batches after it are not stored, since the vendor sends the
    failed one again before them.
    """

    broken: bool

    def settled(self, batch: PendingBatch) -> None:
        """The kept reads of the batch are durable. `batch.duplicate` says how many were durable before."""

    def failed(self, batch: PendingBatch, fault: Fault) -> None:
        """The reads of the batch may or may not be durable. They are not tried again."""


@dataclass(slots=True, eq=False)
class PendingBatch:
    """The kept and rejected reads of a batch, and the receiver of the acknowledgement."""

    submitter: Submitter
    feed: Feed
    sequence: int
    verdict: Verdict
    kept: int
    """Reads that go to the store."""
    cost: int
    """Bytes of memory that are counted for it."""
    span: Span
    received_at: float = field(default_factory=time.monotonic)
    duplicate: int = 0
    differing: Sequence[pb.Warning] = ()
    """Duplicates that differ from the stored read, ascending. Known once the batch is settled."""
    settled: bool = False

    @property
    def canary(self) -> bool:
        """Whether it is a canary, which is an append of its own and is not counted."""
        return self.feed.canary

    @property
    def warnings(self) -> Sequence[pb.Warning]:
        """The remarks on kept reads, ascending by index in the batch."""
        checked, differing = self.verdict.warnings, self.differing
        if not differing:
            return checked
        return sorted([*checked, *differing], key=lambda warning: warning.index)

    @property
    def traceparent(self) -> str:
        """The trace to continue; empty when the batch is not traced."""
        return w3c.render(self.span.get_span_context()) if self.span.is_recording() else ""

    def acknowledgement(self) -> bytes:
        """The stream's response once the batch is settled, serialised."""
        verdict = self.verdict
        if verdict.rejections or verdict.warnings or self.differing:
            return pb.StreamReadsResponse(ack=self.ack()).SerializeToString()
        _ACK.sequence = self.sequence
        _ACK.accepted = self.kept - self.duplicate
        _ACK.duplicate = self.duplicate
        return _RESPONSE.SerializeToString()

    def ack(self) -> pb.BatchAck:
        """The acknowledgement for the vendor once the batch is settled."""
        verdict = self.verdict
        return pb.BatchAck(
            sequence=self.sequence,
            accepted=self.kept - self.duplicate,
            duplicate=self.duplicate,
            rejections=verdict.rejections,
            warnings=self.warnings,
        )

    def end_span(self) -> None:
        """Close the span of the batch with its counts."""
        span = self.span
        if span.is_recording():
            span.set_attribute("reads.kept", self.kept)
            span.set_attribute("reads.duplicate", self.duplicate)
            span.set_attribute("reads.rejected", len(self.verdict.rejections))
            span.end()
