"""Limits of refusals. Beyond them a line stops, so that dead letters do not hide a fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_WINDOW_READS: Final = 1_000


@dataclass(frozen=True)
class RefusalLimits:
    """The most reads refused in a row, and the most per cent refused of at least a thousand reads."""

    in_a_row: int
    percent: float


@dataclass(frozen=True)
class _Count:
    in_a_row: int = 0
    reads: int = 0
    refused: int = 0


class RefusalWatch:
    """Counts refusals over the deliveries of a line. Each delivery is judged before it is recorded."""

    def __init__(self, limits: RefusalLimits) -> None:
        self._limits = limits
        self._count = _Count()

    def excess(self, reads: int, refused: Sequence[int]) -> str:
        """The limit that a delivery exceeds, or "". `refused`: ascending indexes of the refused reads."""
        longest, _ = self._in_a_row(reads, refused)
        after = self._after(reads, refused)
        if longest > self._limits.in_a_row:
            return f"more than {self._limits.in_a_row} reads in a row were refused"
        if after.reads >= _WINDOW_READS and after.refused * 100 > self._limits.percent * after.reads:
            return f"more than {self._limits.percent:g} % of the last {after.reads} reads were refused"
        return ""

    def count(self, reads: int, refused: Sequence[int]) -> None:
        """Count a delivery that was recorded."""
        self._count = self._after(reads, refused)

    def _after(self, reads: int, refused: Sequence[int]) -> _Count:
        _, last = self._in_a_row(reads, refused)
        before = self._count if self._count.reads < _WINDOW_READS else _Count()
        return _Count(last, before.reads + reads, before.refused + len(refused))

    def _in_a_row(self, reads: int, refused: Sequence[int]) -> tuple[int, int]:
        """(the most refused in a row, how many are refused in a row at the end)."""
        current = longest = self._count.in_a_row
        expected = 0
        for index in refused:
            current = current + 1 if index == expected else 1
            longest = max(longest, current)
            expected = index + 1
        return longest, current if expected == reads else 0
