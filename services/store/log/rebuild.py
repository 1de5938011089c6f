"""Builds entries of the log from rows of the database, for followers behind the ring."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reads.appended import encoded_appended
from reads.columns import columns_of
from reads.read import STORED
from reads.traced import Traced, traced_in
from services.store.days import US_A_DAY
from services.store.images.packing import EntryImages
from services.store.log.ring import LogEntry


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Reads in order of position, one element a read in each column. `values`: by column of `ReadColumns`."""

    positions: Sequence[int]
    camera_nos: Sequence[int]
    images: Sequence[bytes]
    values: Mapping[str, Sequence[Any]]

    @classmethod
    def of(cls, rows: Sequence[Any]) -> ReadRows:
        """Turn rows of the table `reads` into columns."""
        if not rows:
            return cls((), (), (), {field.column: () for field in STORED})
        # A row of the driver is iterated by its values.
        named = dict(zip(rows[0].keys(), zip(*rows, strict=True), strict=True))
        values = {field.column: named[field.name] for field in STORED}
        return cls(named["position"], named["camera_no"], named["image"], values)


def rebuilt(
    position: int, appends: Sequence[Mapping[str, Any]], rows: ReadRows, camera_ids: Mapping[int, str]
) -> list[LogEntry]:
    """An entry for each append after `position`, in order; one without a body where no read is left.

    A canary has its read with it.
    """
    entries: list[LogEntry] = []
    start, after = 0, position
    for append in appends:
        end = bisect_right(rows.positions, append["last_position"], start)
        if append["canary"] is None:
            entries.append(_entry(append, rows, slice(start, end), camera_ids, after))
        else:
            entries.append(_canary(append, after))
        start, after = end, append["last_position"]
    return entries


def _entry(
    append: Mapping[str, Any], rows: ReadRows, span: slice, camera_ids: Mapping[int, str], after: int
) -> LogEntry:
    positions, received_at_us = rows.positions[span], append["received_at_us"]
    if not positions:
        return LogEntry(after, append["last_position"], 0, b"", received_at_us)
    encoded = columns_of(
        [camera_ids[number] for number in rows.camera_nos[span]],
        **{column: values[span] for column, values in rows.values.items()},
    ).SerializeToString()
    body = encoded_appended(encoded, positions, _traced(append), received_at_us)
    refs, images = rows.images[span], None
    if any(refs):
        days = [us // US_A_DAY for us in rows.values["captured_at_us"][span]]
        images = EntryImages(append["image_object"], days, refs)
    return LogEntry(after, append["last_position"], len(positions), body, received_at_us, images)


def _canary(append: Mapping[str, Any], after: int) -> LogEntry:
    position, received_at_us = append["last_position"], append["received_at_us"]
    body = encoded_appended(append["canary"], [position], _traced(append), received_at_us, canary=True)
    return LogEntry(after, position, 0, body, received_at_us, canary=True)


def _traced(append: Mapping[str, Any]) -> list[Traced]:
    first = append["first_position"]
    count = append["last_position"] - first + 1
    return [each.shifted(first) for each in traced_in(append["traceparent"], count)]
