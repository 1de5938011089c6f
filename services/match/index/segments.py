"""The index in memory: which plates may be on a hotlist, for tens of millions of entries.

A segment holds the folded keys of one load, sorted, and a bitmap that excludes most plates with one look-up.
The bitmap's size is chosen so that it excludes at least fifteen of sixteen plates that the load lacks. The
others are searched for in the sorted keys. An index has a segment for each of a force's active loads. It is
immutable: a new one replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anpr.confusable import Keys

Rows = NDArray[np.intp]
"""Indexes into an array of keys, ascending."""

_BITS_AN_ENTRY: Final = 16
_LEAST_BITS: Final = 16
# Multiplying by it spreads keys evenly over the top bits, which then choose a bit of the bitmap.
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_BYTE: Final = np.uint64(3)
_BIT: Final = np.uint64(7)
_ONE: Final = np.uint8(1)
_SLICE: Final = 1 << 20


class Segment:
    """The keys of one load. Building takes seconds for tens of millions: do it in a thread."""

    def __init__(self, load_no: int, keys: Keys) -> None:
        """Take over `keys`, which are sorted in place."""
        self.load_no = load_no
        self.keys = keys
        keys.sort()
        self._shift = np.uint64(64 - max(_LEAST_BITS, (len(keys) * _BITS_AN_ENTRY - 1).bit_length()))
        self._bitmap = self._mapped()

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def nbytes(self) -> int:
        """Memory the segment takes."""
        return self.keys.nbytes + self._bitmap.nbytes

    def find(self, keys: Keys, spread: Keys) -> Rows:
        """Indexes into `keys` of those that the load has. `spread` is `keys` times the spreading factor."""
        bits = spread >> self._shift
        passed = np.flatnonzero(self._bitmap[bits >> _BYTE] >> (bits & _BIT).astype(np.uint8) & _ONE)
        if not len(passed):
            return passed
        wanted = keys[passed]
        nearest = np.searchsorted(self.keys, wanted)
        nearest[nearest == len(self.keys)] = 0
        found: Rows = passed[self.keys[nearest] == wanted]
        return found

    def _mapped(self) -> NDArray[np.uint8]:
        bitmap = np.zeros(1 << (64 - int(self._shift) - 3), dtype=np.uint8)
        # In slices, so that the working memory stays small beside the keys.
        for start in range(0, len(self.keys), _SLICE):
            bits = self.keys[start : start + _SLICE] * _SPREAD >> self._shift
            np.bitwise_or.at(bitmap, bits >> _BYTE, _ONE << (bits & _BIT).astype(np.uint8))
        return bitmap


@dataclass(frozen=True)
class Index:
    """The keys that reads are matched against: the loads of a force's active hotlists.

    `canaries` are matched against a list of their own, which no other read is compared with or pays for.
    """

    segments: tuple[Segment, ...]
    canaries: tuple[Segment, ...] = ()

    @property
    def of_canaries(self) -> Index:
        """The index that canaries are matched against."""
        return Index(self.canaries)

    @property
    def loads(self) -> list[int]:
        """Numbers of the loads."""
        return [segment.load_no for segment in self.segments]

    @property
    def entries(self) -> int:
        """Entries of all loads together."""
        return sum(map(len, self.segments))

    def find(self, keys: Keys) -> Rows:
        """Indexes into `keys`, ascending, of those that any load has."""
        spread = keys * _SPREAD
        found = [rows for segment in self.segments if len(rows := segment.find(keys, spread))]
        return _union(found)


def _union(found: Iterable[Rows]) -> Rows:
    lists = list(found)
    if not lists:
        return np.empty(0, dtype=np.intp)
    return lists[0] if len(lists) == 1 else np.unique(np.concatenate(lists))
