"""From a run of reads to alerts: candidates by the index, then the comparison with the entries themselves."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.common.v1.read_pb2 import Read, ReadDetails
from gantry.store.v1.store_pb2 import ReadBatch
from google.protobuf.timestamp_pb2 import Timestamp

from anpr.confusable import Keys, folded_keys
from anpr.vrm import is_normal
from services.match.index import Index

PLACE_UNKNOWN: Final = 2147483647
HEADING_UNKNOWN: Final = 360
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PARTS_A_DEGREE: Final = 1e7


@dataclass(frozen=True, slots=True)
class Entry:
    """A vehicle of interest, as its hotlist has it."""

    hotlist_no: int
    hotlist: str
    near_matches: bool
    folded_key: int
    vrm: str
    reason: str
    priority: int
    markers: str
    instruction: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A read whose folded key is in the index."""

    folded_key: int
    batch: ReadBatch
    place: int

    @property
    def vrm(self) -> str:
        """The plate as read."""
        return self.batch.reads.vrms[self.place]

    @property
    def position(self) -> int:
        """Its place in the log."""
        return self.batch.positions[self.place]

    @property
    def camera_id(self) -> str:
        """The camera that read it."""
        columns = self.batch.reads
        return columns.camera_ids[columns.camera_indexes[self.place]]

    @property
    def captured_at(self) -> datetime:
        """When it was read, to the microsecond."""
        return moment(self.batch.reads.captured_at_us[self.place])


@dataclass(frozen=True, slots=True)
class NewAlert:
    """A read and an entry that match. Near: equal only once confusable characters are taken as the same."""

    candidate: Candidate
    entry: Entry
    near: bool

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes it the same alert, however often its read is stored."""
        seen = self.candidate
        read_id = seen.batch.reads.read_ids[seen.place]
        return (seen.camera_id, seen.captured_at, read_id, self.entry.hotlist_no, self.entry.vrm)


def moment(microseconds: int) -> datetime:
    """The time that is so many microseconds after 1970-01-01T00:00:00Z."""
    return _EPOCH + timedelta(microseconds=microseconds)


def timestamp(at: datetime) -> Timestamp:
    """The time as contracts carry it."""
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def find_candidates(index: Index, batches: Sequence[ReadBatch]) -> list[Candidate]:
    """The reads that the index knows, in the order of the log."""
    if not index.segments:
        return []
    vrms = [vrm for batch in batches for vrm in batch.reads.vrms]
    keys, normal = _keys(vrms)
    rows = index.find(keys).tolist()
    if not rows:
        return []
    starts = [0, *accumulate(len(batch.positions) for batch in batches)]
    found = []
    for row in rows:
        number = bisect_right(starts, row) - 1
        if normal or is_normal(vrms[row]):
            found.append(Candidate(int(keys[row]), batches[number], row - starts[number]))
    return found


def match(candidates: Iterable[Candidate], entries: Iterable[Entry]) -> list[NewAlert]:
    """The alerts that the candidates raise, each (read, entry) once, in the order of the log."""
    by_key: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_key[entry.folded_key].append(entry)
    alerts: dict[tuple[object, ...], NewAlert] = {}
    for candidate in candidates:
        for entry in by_key.get(candidate.folded_key, ()):
            near = entry.vrm != candidate.vrm
            if entry.near_matches or not near:
                alert = NewAlert(candidate, entry, near)
                alerts.setdefault(alert.identity, alert)
    return list(alerts.values())


def read_of(force: str, columns: ReadColumns, place: int) -> Read:
    """One read of a run, in the form that people get."""
    read = Read(
        force=force,
        camera_id=columns.camera_ids[columns.camera_indexes[place]],
        read_id=columns.read_ids[place],
        vrm=columns.vrms[place],
        confidence=columns.confidences[place],
    )
    read.captured_at.FromMicroseconds(columns.captured_at_us[place])
    latitude, longitude = columns.latitudes_e7[place], columns.longitudes_e7[place]
    if PLACE_UNKNOWN not in {latitude, longitude}:
        read.position.latitude = latitude / _PARTS_A_DEGREE
        read.position.longitude = longitude / _PARTS_A_DEGREE
    if columns.headings and columns.headings[place] != HEADING_UNKNOWN:
        read.heading = columns.headings[place]
    if columns.details and columns.details[place]:
        read.details.CopyFrom(ReadDetails.FromString(columns.details[place]))
    return read


def _keys(vrms: list[str]) -> tuple[Keys, bool]:
    """Folded keys, and whether every plate was normal; one that is not matches nothing and stops nothing."""
    try:
        return folded_keys(vrms), True
    except ValueError:
        return folded_keys([vrm if is_normal(vrm) else "0" for vrm in vrms]), False
