"""Which alerts a set of reads must raise, by brute force: every read against every entry.

It shares no code with `match` on purpose: the same code twice would check nothing.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

CONFUSED: Final = ({"0", "O", "Q", "D"}, {"1", "I", "L"}, {"2", "Z"}, {"5", "S"}, {"6", "G"}, {"8", "B"})
Identity = tuple[str, str, int, str]
"""(force, camera, capture time in microseconds since 1970, read_id): the identity of a read."""


@dataclass(frozen=True)
class Seen:
    """A read that was taken, with the plate that the camera saw."""

    identity: Identity
    vrm: str


@dataclass(frozen=True)
class Entry:
    """A vehicle on a hotlist. `until` is its weed date, None when it has none."""

    force: str
    hotlist: str
    vrm: str
    until: datetime | None = None


@dataclass(frozen=True)
class ExpectedAlert:
    """One alert: a read that one entry matches, exactly or nearly."""

    identity: Identity
    hotlist: str
    entry_vrm: str
    near: bool


def read_hotlist(path: Path, force: str, name: str) -> list[Entry]:
    """The entries of a hotlist CSV; a later line for the same plate replaces an earlier one."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [(_plate(row["vrm"]), _until(row.get("weed_date") or "")) for row in csv.DictReader(file)]
    return [Entry(force, name, vrm, until) for vrm, until in dict(rows).items()]


def expected_alerts(reads: Iterable[Seen], entries: Iterable[Entry], now: datetime) -> set[ExpectedAlert]:
    """Every alert that these reads must raise against these entries, at the time `now`."""
    live = [entry for entry in entries if entry.until is None or now <= entry.until]
    by_plate: dict[tuple[str, str], list[tuple[Entry, bool]]] = {}
    found: set[ExpectedAlert] = set()
    for read in reads:
        key = (read.identity[0], _plate(read.vrm))
        if key not in by_plate:
            by_plate[key] = _matching(*key, live)
        found |= {
            ExpectedAlert(read.identity, entry.hotlist, entry.vrm, near) for entry, near in by_plate[key]
        }
    return found


def _matching(force: str, vrm: str, entries: list[Entry]) -> list[tuple[Entry, bool]]:
    return [
        (entry, entry.vrm != vrm)
        for entry in entries
        if entry.force == force and (entry.vrm == vrm or mistaken(entry.vrm, vrm))
    ]


def mistaken(one: str, other: str) -> bool:
    """Whether a camera could have read one plate as the other."""
    return len(one) == len(other) and all(
        a == b or any(a in group and b in group for group in CONFUSED)
        for a, b in zip(one, other, strict=True)
    )


def _plate(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())


def _until(text: str) -> datetime | None:
    if not text.strip():
        return None
    if len(text.strip()) == 10:
        day = date.fromisoformat(text.strip())
        return datetime.combine(day + timedelta(days=1), time(), UTC)
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
