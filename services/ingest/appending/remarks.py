"""Remarks on durable reads: those that only the store can make, and the counts of all of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from gantry.ingest.v1 import ingest_pb2 as pb

from chassis.metrics import counter
from services.ingest.appending.batch import PendingBatch
from services.ingest.cameras.counts import UnwrittenCounts
from services.ingest.names import MetricName

_DIFFERS: Final = (
    "a read with this identity is stored with another plate, confidence or place, and was kept; "
    "send a correction under a new read_id"
)

_warnings = counter(MetricName.INGEST_WARNINGS)


def share_differing(batches: Sequence[PendingBatch], differing: Sequence[int]) -> None:
    """Give each batch the warnings of its reads. `differing` holds indexes in the append, ascending."""
    if not differing:
        return
    start = 0
    for batch in batches:
        upto = start + batch.kept
        own = differing[bisect_left(differing, start) : bisect_left(differing, upto)]
        if own:
            indexes = _kept_indexes(batch)
            batch.differing = [_differs(indexes[index - start]) for index in own]
        start = upto


def count_remarks(
    force: str, batches: Sequence[PendingBatch], camera_ids: Sequence[str], counts: UnwrittenCounts
) -> None:
    """Count the remarks of settled batches by reason and camera. `camera_ids` has each read of the append."""
    reasons: Counter[pb.WarningReason.ValueType] = Counter()
    start = 0
    for batch in batches:
        if batch.verdict.warnings or batch.differing:
            for place, reason in _remarks(batch):
                counts.warned(force, camera_ids[start + place], reason)
                reasons[reason] += 1
        start += batch.kept
    for reason, count in reasons.items():
        name = pb.WarningReason.Name(reason).removeprefix("WARNING_REASON_")
        _warnings.add(count, {"force": force, "reason": name})


def _remarks(batch: PendingBatch) -> Iterator[tuple[int, pb.WarningReason.ValueType]]:
    """The place of the read among the kept ones, and the reason, of each remark."""
    indexes = _kept_indexes(batch)
    for warning in batch.warnings:
        yield bisect_left(indexes, warning.index), warning.reason


def _kept_indexes(batch: PendingBatch) -> Sequence[int]:
    """The index in the vendor's batch of each kept read, ascending."""
    rejections = batch.verdict.rejections
    if not rejections:
        return range(batch.kept)
    rejected = {rejection.index for rejection in rejections}
    return [index for index in range(batch.kept + len(rejections)) if index not in rejected]


def _differs(index: int) -> pb.Warning:
    return pb.Warning(
        index=index, reason=pb.WARNING_REASON_DUPLICATE_DIFFERS, field="read_id", message=_DIFFERS
    )
