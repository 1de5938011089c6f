"""The traces of the batches that one append joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gantry.store.v1.log_pb2 import AppendReadsRequest, TracedBatch

from services.ingest.appending.batch import PendingBatch


class TracedReads(NamedTuple):
    """The reads of a batch that is traced: from index `first` of the append, `kept` of them."""

    traceparent: str
    first: int
    kept: int


def traced_reads(batches: Sequence[PendingBatch]) -> list[TracedReads]:
    """The traced ones of the batches that one append joins in this order. Most are not traced."""
    found: list[TracedReads] = []
    first = 0
    for batch in batches:
        if batch.kept and (traceparent := batch.traceparent):
            found.append(TracedReads(traceparent, first, batch.kept))
        first += batch.kept
    return found


def named_in_request(traced: Sequence[TracedReads], spans: Sequence[str]) -> bytes:
    """The serialised part of an AppendReadsRequest that names them to the store.

    `spans` has the traceparent of each one's span, "" for those that go no further. The first is the trace of
    the call itself.
    """
    return AppendReadsRequest(
        traced_batches=[
            TracedBatch(traceparent="" if span == spans[0] else span, first_index=first, count=kept)
            for (_, first, kept), span in zip(traced, spans, strict=True)
            if span
        ]
    ).SerializeToString()
