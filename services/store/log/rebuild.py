"""Rows of the database made into entries of the log again, for followers behind the ring."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reads.appended import encoded_appended
from reads.columns import columns_of
from services.store.days import US_A_DAY
from services.store.images.packing import EntryImages
from services.store.log.ring import LogEntry


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Reads in order of position, one element a read in each column."""

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
    def of(cls, rows: Iterable[Any]) -> ReadRows:
        """Turn rows, whose fields are in the order of ours, into columns."""
        columns = [*zip(*rows, strict=True)]
        return cls(*columns) if columns else cls(*[()] * 11)


def rebuilt(
    position: int, appends: Sequence[Mapping[str, Any]], rows: ReadRows, camera_ids: Mapping[int, str]
) -> list[LogEntry]:
    """An entry for each append after `position`, in order; one without a body where no read is left."""
    entries: list[LogEntry] = []
    start, after = 0, position
    for append in appends:
        end = bisect_right(rows.positions, append["last_position"], start)
        entries.append(_entry(append, rows, slice(start, end), camera_ids, after))
        start, after = end, append["last_position"]
    return entries


def _entry(
    append: Mapping[str, Any], rows: ReadRows, span: slice, camera_ids: Mapping[int, str], after: int
) -> LogEntry:
    positions, received_at_us = rows.positions[span], append["received_at_us"]
    if not positions:
        return LogEntry(after, append["last_position"], 0, b"", received_at_us)
    encoded = columns_of(
        camera_ids=[camera_ids[number] for number in rows.camera_nos[span]],
        read_ids=rows.read_ids[span],
        captured_at_us=rows.captured_at_us[span],
        vrms=rows.vrms[span],
        confidences=rows.confidences[span],
        latitudes_e7=rows.latitudes_e7[span],
        longitudes_e7=rows.longitudes_e7[span],
        headings=rows.headings[span],
        details=rows.details[span],
    ).SerializeToString()
    body = encoded_appended(encoded, positions, append["traceparent"], received_at_us)
    refs, images = rows.images[span], None
    if any(refs):
        days = [us // US_A_DAY for us in rows.captured_at_us[span]]
        images = EntryImages(append["image_object"], days, refs)
    return LogEntry(after, append["last_position"], len(positions), body, received_at_us, images)
