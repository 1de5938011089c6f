"""Hotlists for the simulated traffic, and an oracle that says which alerts they must raise.

The oracle follows the contract's words, not the matcher's code, so that the two can be compared.
"""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Literal

from simulators.cameras.plates import draw_plate
from simulators.cameras.traffic import SimulatedRead

_COLUMNS = ("vrm", "reason", "priority", "markers", "instruction", "weed_date")
_CONFUSED = ("0OQD", "1IL", "2Z", "5S", "6G", "8B")
_FOLDED = {ord(char): group[0] for group in _CONFUSED for char in group}
_EXPIRED_SHARE = 0.1
_LOOKALIKE_SHARE = 0.15
_LIVE_DAYS = (7, 90)
_EXPIRED_DAYS = (3, 60)

_Grounds = tuple[str, int, tuple[str, ...], str]
_GROUNDS: tuple[_Grounds, ...] = (
    ("Stolen vehicle", 2, (), "Stop if safe. Confirm the vehicle's identity before arrest."),
    ("Stolen vehicle, taken in a burglary", 2, ("BURGLARY",), "Stop if safe. Preserve for examination."),
    ("Driver wanted on warrant", 3, ("WANTED",), "Stop and identify the driver."),
    ("High-risk missing person believed in vehicle", 1, ("MISSING",), "Stop. Check that all in it are well."),
    ("Firearms intelligence", 1, ("ARMED", "FIREARMS"), "Do not stop. Inform the force incident manager."),
    ("Suspected of carrying drugs", 3, ("DRUGS",), "Stop. Search under s. 23 Misuse of Drugs Act 1971."),
    ("Makes off from police", 3, ("VIOLENT", "FAILS TO STOP"), "Do not pursue without authority."),
    ("Suspected cloned plates", 4, (), "Stop. Check the vehicle identification number."),
    ("No insurance", 6, (), "Stop. Seize under s. 165A Road Traffic Act 1988."),
    ("Theft from vehicles, intelligence only", 7, (), "Do not stop. Report the sighting."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A vehicle of interest."""

    vrm: str
    """The mark, normalised."""
    reason: str
    priority: int
    markers: tuple[str, ...]
    instruction: str
    weed_date: date
    """Last day on which it matches."""


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """An alert that must be raised exactly once."""

    force: str
    camera_id: str
    read_id: str
    captured_at: datetime
    entry_vrm: str
    kind: Literal["exact", "near"]


def choose_entries(
    reads: Iterable[SimulatedRead], *, force: str, seed: int, today: date, seen: int = 30, unseen: int = 470
) -> tuple[Entry, ...]:
    """A hotlist for a force: up to `seen` vehicles that its cameras will see, and `unseen` others.

    Of the seen ones some are on the list under a look-alike mark, which gives near matches, and some past
    their weed date, which gives none. Each mark is listed once.
    """
    rng = Random(f"{seed}/hotlist/{force}")
    sightings = Counter(read.vrm_true for read in reads if read.force == force and read.plan == "accept")
    marks = sorted(sightings)
    # Vehicles that are seen several times are chosen more often.
    chosen = (
        dict.fromkeys(rng.choices(marks, [sightings[mark] ** 2 for mark in marks], k=seen)) if marks else {}
    )
    entries = {}
    for mark in chosen:
        listed = _lookalike(mark, rng) if rng.random() < _LOOKALIKE_SHARE else mark
        entries[listed] = _entry(listed, rng, today, expired=rng.random() < _EXPIRED_SHARE)
    while len(entries) < len(chosen) + unseen:
        mark = draw_plate(rng).vrm
        if mark not in sightings:
            entries.setdefault(mark, _entry(mark, rng, today, expired=False))
    return tuple(rng.sample(list(entries.values()), len(entries)))


def write_csv(path: Path, entries: Iterable[Entry]) -> None:
    """Write entries as the CSV that HotlistService.ImportHotlist takes, readable for the owner only."""
    path.unlink(missing_ok=True)  # whose mode may be another
    with open(path, "w", encoding="utf-8", newline="", opener=_private) as target:
        writer = csv.writer(target)
        writer.writerow(_COLUMNS)
        writer.writerows(_line(entry) for entry in entries)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def expected_alerts(
    entries: Sequence[Entry], reads: Iterable[SimulatedRead], *, force: str, near_matches: bool = True
) -> Iterator[ExpectedAlert]:
    """The alerts that a force's list must raise for reads, resent and refused ones left out.

    Pass only the reads that were sent. Entries must not reach their weed date while the run lasts.
    """
    by_fold: dict[str, list[Entry]] = {}
    for entry in entries:
        by_fold.setdefault(fold(entry.vrm), []).append(entry)
    for read in reads:
        if read.force != force or read.plan != "accept":
            continue
        for entry in by_fold.get(fold(read.vrm_seen), ()):
            exact = entry.vrm == read.vrm_seen
            if entry.weed_date >= read.captured_at.date() and (exact or near_matches):
                kind: Literal["exact", "near"] = "exact" if exact else "near"
                yield ExpectedAlert(force, read.camera_id, read.read_id, read.captured_at, entry.vrm, kind)


def fold(vrm: str) -> str:
    """The mark with each character that cameras confuse replaced by one that stands for all of its kind."""
    return vrm.translate(_FOLDED)


def _entry(vrm: str, rng: Random, today: date, *, expired: bool) -> Entry:
    reason, priority, markers, instruction = rng.choice(_GROUNDS)
    days = -rng.randint(*_EXPIRED_DAYS) if expired else rng.randint(*_LIVE_DAYS)
    return Entry(vrm, reason, priority, markers, instruction, today + timedelta(days=days))


def _lookalike(vrm: str, rng: Random) -> str:
    places = [place for place, char in enumerate(vrm) if ord(char) in _FOLDED]
    if not places:
        return vrm
    place = rng.choice(places)
    group = next(group for group in _CONFUSED if vrm[place] in group)
    return vrm[:place] + rng.choice(group.replace(vrm[place], "")) + vrm[place + 1 :]


def _line(entry: Entry) -> tuple[str, ...]:
    # People write a current mark with a gap, which the import must accept.
    mark = f"{entry.vrm[:4]} {entry.vrm[4:]}" if len(entry.vrm) == 7 else entry.vrm
    markers = ";".join(entry.markers)
    return mark, entry.reason, str(entry.priority), markers, entry.instruction, entry.weed_date.isoformat()
