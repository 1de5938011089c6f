"""Joins the kept reads of many batches into one request to the store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from gantry.store.v1.log_pb2 import AppendReadsRequest

from reads.columns import columns_of
from services.ingest.appending.batch import PendingBatch
from services.ingest.checking.batch import KeptReads


@dataclass(frozen=True, slots=True)
class EncodedAppend:
    """A serialised AppendReadsRequest, with camera and capture time of each read for the camera counts."""

    request: bytes
    camera_ids: Sequence[str]
    captured_at_us: Sequence[int]


def append_of(force: str, batches: Sequence[PendingBatch]) -> EncodedAppend:
    """Join the kept reads of the batches, in their order."""
    kept = _joined(batches)
    reads = columns_of(**kept._asdict()).SerializeToString()
    request = AppendReadsRequest(force=force, reads=reads).SerializeToString()
    return EncodedAppend(request, kept.camera_ids, kept.captured_at_us)


def share_duplicates(batches: Sequence[PendingBatch], duplicates: Sequence[int]) -> None:
    """Set the number of duplicates of each batch. `duplicates` holds indexes in the append, ascending."""
    if not duplicates:
        return
    reads = counted = 0
    for batch in batches:
        reads += batch.kept
        upto = bisect_left(duplicates, reads)
        batch.duplicate = upto - counted
        counted = upto


def _joined(batches: Sequence[PendingBatch]) -> KeptReads:
    verdicts = [batch.verdict for batch in batches]
    if len(verdicts) == 1:
        return verdicts[0].as_columns()
    if all(verdict.columns is None for verdict in verdicts):
        # Single reads of many streams: one pass turns the rows of all batches into columns.
        return KeptReads(*zip(*chain.from_iterable([verdict.rows for verdict in verdicts]), strict=True))
    parts = [verdict.as_columns() for verdict in verdicts]
    return KeptReads(*(list(chain.from_iterable(column)) for column in zip(*parts, strict=True)))
