"""Rows of the database back into the batches in which they came, for followers that were away."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gantry.common.v1.read_columns_pb2 import ReadColumns

from services.store.days import US_A_DAY
from services.store.log.columns import NO_HEADING
from services.store.log.ring import Batch, BatchImages
from services.store.log.wire import read_batch


@dataclass(frozen=True, slots=True)
class CatchUpRows:
    """Columns of reads in order of position."""

    positions: Sequence[int]
    captured_at_us: Sequence[int]
    camera_nos: Sequence[int]
    latitudes_e7: Sequence[int]
    longitudes_e7: Sequence[int]
    confidences: Sequence[float]
    headings: Sequence[int]
    read_ids: Sequence[str]
    vrms: Sequence[str]
    details: Sequence[bytes]
    images: Sequence[bytes]

    @classmethod
    def of(cls, rows: Iterable[Any]) -> CatchUpRows:
        """Turn rows, whose fields are in the order of ours, into columns."""
        columns = [*zip(*rows, strict=True)]
        return cls(*columns) if columns else cls(*[()] * 11)


def rebuilt(
    position: int, appends: Sequence[Mapping[str, Any]], rows: CatchUpRows, camera_ids: Mapping[int, str]
) -> list[Batch]:
    """A batch for each append after `position`, in order; one without a body where no read is left."""
    batches: list[Batch] = []
    start, after = 0, position
    for append in appends:
        end = bisect_right(rows.positions, append["last_position"], start)
        batches.append(_batch(append, rows, slice(start, end), camera_ids, after))
        start, after = end, append["last_position"]
    return batches


def _batch(
    append: Mapping[str, Any], rows: CatchUpRows, span: slice, camera_ids: Mapping[int, str], after: int
) -> Batch:
    positions = rows.positions[span]
    if not positions:
        return Batch(after, append["last_position"], 0, b"", append["received_at_us"])
    columns = _columns(rows, span, camera_ids).SerializeToString()
    body = read_batch(columns, positions, append["traceparent"], append["received_at_us"])
    refs, images = rows.images[span], None
    if any(refs):
        days = [us // US_A_DAY for us in rows.captured_at_us[span]]
        images = BatchImages(append["image_object"], days, refs)
    return Batch(after, append["last_position"], len(positions), body, append["received_at_us"], images)


def _columns(rows: CatchUpRows, span: slice, camera_ids: Mapping[int, str]) -> ReadColumns:
    numbers = rows.camera_nos[span]
    indexes = {number: index for index, number in enumerate(dict.fromkeys(numbers))}
    headings, details = rows.headings[span], rows.details[span]
    return ReadColumns(
        camera_ids=[camera_ids[number] for number in indexes],
        camera_indexes=[indexes[number] for number in numbers],
        read_ids=rows.read_ids[span],
        captured_at_us=rows.captured_at_us[span],
        vrms=rows.vrms[span],
        confidences=rows.confidences[span],
        latitudes_e7=rows.latitudes_e7[span],
        longitudes_e7=rows.longitudes_e7[span],
        headings=headings if any(heading != NO_HEADING for heading in headings) else (),
        details=details if any(details) else (),
    )
