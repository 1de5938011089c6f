"""The traces that an append belongs to, checked: they are kept with it and sent to followers."""

from __future__ import annotations

from collections.abc import Sequence

from gantry.store.v1.log_pb2 import TracedBatch

from chassis import traceparent as w3c
from reads.traced import MOST_TRACED, Traced


def traced_of(batches: Sequence[TracedBatch], current: str, count: int) -> list[Traced]:
    """The traced reads of an append of `count` reads, by index, at most 128.

    `current` is the traceparent of the call, which stands for all reads of a caller that names no batches.
    """
    if not batches:
        return [Traced(current, 0, count - 1)]
    found = []
    for batch in batches[:MOST_TRACED]:
        last = batch.first_index + batch.count - 1
        if batch.count > 0 and last < count and (traceparent := _sampled(batch.traceparent, current)):
            found.append(Traced(traceparent, batch.first_index, last))
    return found


def _sampled(traceparent: str, current: str) -> str:
    """The traceparent in its usual form; empty when it is malformed or not sampled."""
    if not traceparent:
        return current
    span = w3c.parse(traceparent)
    return w3c.render(span) if span is not None and span.trace_flags.sampled else ""
