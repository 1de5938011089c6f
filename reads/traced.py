"""The traces of an append: which of its neighbouring reads came in which traced batch."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

MOST_TRACED: Final = 128
"""Most traced batches of one append."""

# TRACEPARENT:FIRST-LAST, with indexes in the append.
_PART: Final = re.compile(r"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}):(\d{1,9})-(\d{1,9})")


class Traced(NamedTuple):
    """Neighbouring reads of one batch, from `first` to `last`: indexes in an append, or positions."""

    traceparent: str
    first: int
    last: int

    def shifted(self, by: int) -> Traced:
        """The same with indexes and positions exchanged: an index counts from the append's first position."""
        return Traced(self.traceparent, self.first + by, self.last + by)

    def has_any(self, positions: Sequence[int]) -> bool:
        """Whether any of the positions, ascending, is one of its reads'."""
        at = bisect_left(positions, self.first)
        return at < len(positions) and positions[at] <= self.last


def text_of(traced: Sequence[Traced], count: int) -> str:
    """The text under which an append of `count` reads keeps its traces. `traced` has indexes."""
    if len(traced) == 1 and traced[0][1:] == (0, count - 1):
        return traced[0].traceparent
    return " ".join([f"{each.traceparent}:{each.first}-{each.last}" for each in traced])


def traced_in(text: str, count: int) -> list[Traced]:
    """The traces that a text of `text_of` keeps, with indexes. A malformed part is skipped."""
    if not text:
        return []
    if ":" not in text:
        return [Traced(text, 0, count - 1)]
    parts = [_PART.fullmatch(part) for part in text.split(" ")]
    return [Traced(part[1], int(part[2]), int(part[3])) for part in parts if part]


def traceparent_at(text: str, index: int) -> str:
    """The traceparent for the read at an index: its batch's, else the first of the append."""
    traced = traced_in(text, index + 1)
    own = [each.traceparent for each in traced if each.first <= index <= each.last]
    return next(iter([*own, *(each.traceparent for each in traced)]), "")


def that_have(traced: Iterable[Traced], positions: Sequence[int]) -> list[Traced]:
    """Those that have any of the positions, which ascend."""
    return [each for each in traced if each.has_any(positions)]
