"""Many vendors' batches as one request to the store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from gantry.store.v1 import store_pb2

from services.ingest.batch import Batch
from services.ingest.examine import UNKNOWN_HEADING

_HEADINGS, _DETAILS, _PATCHES, _OVERVIEWS = 7, 8, 9, 10
_COLUMNS: Final = 11


@dataclass(frozen=True, slots=True)
class Append:
    """A serialised AppendReadsRequest, with what the tallies need to know of its reads."""

    payload: bytes
    camera_ids: Sequence[str]
    captured_at_us: Sequence[int]


def append_of(force: str, batches: Sequence[Batch]) -> Append:
    """Join the kept reads of the batches, in order."""
    columns = _joined(batches)
    camera_ids = columns[0]
    request = store_pb2.AppendReadsRequest(force=force)
    reads = request.reads
    places = {camera_id: place for place, camera_id in enumerate(dict.fromkeys(camera_ids))}
    reads.camera_ids.extend(places)
    reads.camera_indexes.extend([places[camera_id] for camera_id in camera_ids])
    reads.read_ids.extend(columns[1])
    reads.captured_at_us.extend(columns[2])
    reads.vrms.extend(columns[3])
    reads.confidences.extend(columns[4])
    reads.latitudes_e7.extend(columns[5])
    reads.longitudes_e7.extend(columns[6])
    headings = columns[_HEADINGS]
    if headings.count(UNKNOWN_HEADING) < len(headings):
        reads.headings.extend(headings)
    seldom = ((reads.details, _DETAILS), (reads.plate_patches, _PATCHES), (reads.overviews, _OVERVIEWS))
    for texts, number in seldom:
        if any(columns[number]):
            texts.extend(columns[number])
    return Append(request.SerializeToString(), camera_ids, columns[2])


def share_duplicates(batches: Sequence[Batch], duplicates: Sequence[int]) -> None:
    """Tell each batch how many of the append's duplicate indexes, ascending, are its own."""
    if not duplicates:
        return
    start = below = 0
    for batch in batches:
        start += batch.kept
        upto = bisect_left(duplicates, start)
        batch.duplicate = upto - below
        below = upto


def _joined(batches: Sequence[Batch]) -> Sequence[Sequence[Any]]:
    verdicts = [batch.verdict for batch in batches]
    if len(verdicts) == 1:
        return verdicts[0].as_columns()
    if all(verdict.columns is None for verdict in verdicts):
        # Single reads of many streams: turned once, all together.
        return list(zip(*chain.from_iterable([verdict.rows for verdict in verdicts]), strict=True))
    parts = [verdict.as_columns() for verdict in verdicts]
    return [list(chain.from_iterable([part[number] for part in parts])) for number in range(_COLUMNS)]
