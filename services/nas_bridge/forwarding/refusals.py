"""When refusals stop being single bad reads and become a fault that dead letters would hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_WINDOW_READS: Final = 1_000


@dataclass(frozen=True)
class RefusalLimits:
    """Most refused reads in a row, and most per cent of at least a thousand reads."""

    in_a_row: int
    percent: float


@dataclass(frozen=True)
class _Count:
    in_a_row: int = 0
    reads: int = 0
    refused: int = 0


class RefusalWatch:
    """Counts a destination's refusals over its deliveries, which are judged before they are written down."""

    def __init__(self, limits: RefusalLimits) -> None:
        self._limits = limits
        self._count = _Count()

    def excess(self, reads: int, refused: Sequence[int]) -> str:
        """What is wrong if a delivery of `reads` with `refused` indexes, ascending, counts; "" if nothing."""
        longest, _ = self._rows(reads, refused)
        after = self._after(reads, refused)
        if longest > self._limits.in_a_row:
            return f"more than {self._limits.in_a_row} reads in a row were refused"
        if after.reads >= _WINDOW_READS and after.refused * 100 > self._limits.percent * after.reads:
            return f"more than {self._limits.percent:g} % of the last {after.reads} reads were refused"
        return ""

    def count(self, reads: int, refused: Sequence[int]) -> None:
        """Count a delivery that was written down."""
        self._count = self._after(reads, refused)

    def _after(self, reads: int, refused: Sequence[int]) -> _Count:
        _, last = self._rows(reads, refused)
        before = self._count if self._count.reads < _WINDOW_READS else _Count()
        return _Count(last, before.reads + reads, before.refused + len(refused))

    def _rows(self, reads: int, refused: Sequence[int]) -> tuple[int, int]:
        """The longest row of refusals, and the one still open at the end."""
        row = longest = self._count.in_a_row
        expected = 0
        for index in refused:
            row = row + 1 if index == expected else 1
            longest = max(longest, row)
            expected = index + 1
        return longest, row if expected == reads else 0
