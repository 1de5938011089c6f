"""The entries of a hotlist for one plate as one: several lines of a file may name the same vehicle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gantry.match.v1.alert_pb2 import Alert, MatchedEntry, Vehicle

from reads.epoch import timestamp

MOST_ENTRIES: Final = 20
"""Entries that an alert shows; markers come from all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A vehicle of interest, as one line of a hotlist has it. `weed_at` is None where it never ends."""

    hotlist_no: int
    hotlist: str
    near_matches: bool
    folded_key: int
    vrm: str
    line: int
    weed_at: datetime | None
    priority: int
    reason: str
    markers: str
    instruction: str
    make: str = ""
    model: str = ""
    colour: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Merged:
    """The entries of a hotlist for one plate. `markers` are separated by ";"."""

    hotlist_no: int
    hotlist: str
    near_matches: bool
    folded_key: int
    vrm: str
    priority: int
    reason: str
    markers: str
    instruction: str
    entries: bytes
    """The message Alert with only the entries: the highest priority first, of equal ones the first line."""


def merge_all(entries: Iterable[Entry]) -> list[Merged]:
    """The entries merged, each plate of each hotlist once."""
    groups: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.hotlist_no, entry.vrm].append(entry)
    return [_merge(sorted(group, key=_rank)) for group in groups.values()]


def _rank(entry: Entry) -> tuple[int, int]:
    return entry.priority, entry.line


def _merge(entries: Sequence[Entry]) -> Merged:
    """`entries` are in the order of their rank."""
    first = entries[0]
    return Merged(
        first.hotlist_no,
        first.hotlist,
        first.near_matches,
        first.folded_key,
        first.vrm,
        first.priority,
        first.reason,
        ";".join(_markers(entries)),
        next((entry.instruction for entry in entries if entry.instruction), ""),
        _listed(entries).SerializeToString(),
    )


def _markers(entries: Sequence[Entry]) -> list[str]:
    """Each marker once, however it is written; the strongest entry's come first."""
    found: dict[str, str] = {}
    for entry in entries:
        for marker in _split(entry.markers):
            found.setdefault(marker.casefold(), marker)
    return list(found.values())


def _split(markers: str) -> list[str]:
    return markers.split(";") if markers else []


def _listed(entries: Sequence[Entry]) -> Alert:
    shown = entries[:MOST_ENTRIES]
    return Alert(entries=map(_matched, shown), further_entries=len(entries) - len(shown))


def _matched(entry: Entry) -> MatchedEntry:
    vehicle = Vehicle(make=entry.make, model=entry.model, colour=entry.colour, country=entry.country)
    return MatchedEntry(
        line=entry.line,
        reason=entry.reason,
        priority=entry.priority,
        markers=_split(entry.markers),
        instruction=entry.instruction,
        weed_at=None if entry.weed_at is None else timestamp(entry.weed_at),
        vehicle=vehicle if vehicle.ByteSize() else None,
    )
