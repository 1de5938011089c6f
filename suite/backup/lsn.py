"""Positions in the write-ahead log, and the names of its segments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

SEGMENT_BYTES: Final = 16 << 20
_A_LOG: Final = (1 << 32) // SEGMENT_BYTES
_NAME: Final = re.compile(r"[0-9A-F]{24}")
_HISTORY: Final = re.compile(r"([0-9A-F]{8})\.history")
_BRANCH: Final = re.compile(r"^\s*(\d+)\s+([0-9A-Fa-f]+/[0-9A-Fa-f]+)", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Segment:
    """A segment: its timeline, and its number, which counts from the begin of the log."""

    timeline: int
    number: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.timeline:08X}{self.number // _A_LOG:08X}{self.number % _A_LOG:08X}"

    @property
    def begin(self) -> int:
        """The position at which it begins."""
        return self.number * SEGMENT_BYTES


def segment_named(name: str) -> Segment | None:
    """The segment with a file name; None for another file."""
    if _NAME.fullmatch(name) is None:
        return None
    return Segment(int(name[:8], 16), int(name[8:16], 16) * _A_LOG + int(name[16:], 16))


def history_timeline(name: str) -> int | None:
    """The timeline of a history file; None for another file."""
    match = _HISTORY.fullmatch(name)
    return int(match[1], 16) if match else None


def position(text: str) -> int:
    """A position as PostgreSQL writes it, such as 0/16B3740, as a number."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def written(number: int) -> str:
    """A position as PostgreSQL writes it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def number_at(lsn: int) -> int:
    """The number of the segment that holds a position."""
    return lsn // SEGMENT_BYTES


@dataclass(frozen=True)
class Path:
    """The way to a timeline: its ancestors, each with the position at which the next one branched off."""

    timeline: int
    branches: Sequence[tuple[int, int]] = ()

    def segment(self, number: int) -> Segment:
        """Which segment of this number is on the way: of the oldest timeline that still holds it whole."""
        for timeline, end in self.branches:
            if number < number_at(end):
                return Segment(timeline, number)
        return Segment(self.timeline, number)

    def holds(self, timeline: int, lsn: int) -> bool:
        """Whether a position of a timeline is on the way."""
        ends = dict(self.branches)
        return timeline == self.timeline or lsn <= ends.get(timeline, -1)


def path_to(timeline: int, history: str) -> Path:
    """The way to a timeline, from the text of its history file."""
    return Path(timeline, [(int(of), position(lsn)) for of, lsn in _BRANCH.findall(history)])


def missing(
    path: Path, begin: int, whole: Iterable[Segment], parts: Iterable[Segment] = ()
) -> tuple[int, Segment | None]:
    """From a position on: up to which number the segments are there, and the first that is missing although
    later ones exist (None: there is no gap). The number is -1 when not even the first is there.

    Of the last segment, a part is enough.
    """
    there, partly = frozenset(whole), frozenset(parts)
    number = number_at(begin)
    on_the_way = (each.number for each in there | partly if each == path.segment(each.number))
    last = max(on_the_way, default=-1)
    while path.segment(number) in there or (number == last and path.segment(number) in partly):
        number += 1
    gap = path.segment(number) if number <= last else None
    return (number - 1 if number > number_at(begin) else -1), gap
