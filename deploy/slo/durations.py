"""Durations as Prometheus writes them, and their scale: a test runs the rules in seconds, not in minutes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# In a range or after an offset; a label's value cannot look like either.
_IN_EXPRESSIONS: Final = re.compile(r"(?<=\[)(\d+[smhd])(?=\])|(?<=offset )(\d+[smhd])\b")
_AS_NUMBERS: Final = re.compile(r"\{(\d+[smhd])\}")


def seconds(duration: str) -> int:
    """The seconds of a duration such as "5m". Raises ValueError for another form."""
    if not re.fullmatch(r"\d+[smhd]", duration):
        raise ValueError(f"{duration!r} is no duration such as 30s, 5m, 1h or 3d")
    return int(duration[:-1]) * _UNITS[duration[-1]]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much shorter all durations are.

    `most_hold_seconds` limits how long an alarm has to hold. No number of seconds that an expression compares
    with gets smaller than `least_seconds`.
    """

    by: int = 1
    most_hold_seconds: int | None = None
    least_seconds: float = 0.0

    def duration(self, duration: str) -> str:
        """A duration on this scale; at least 1 s, because Prometheus takes no range of 0."""
        return duration if self.by == 1 else f"{max(1, seconds(duration) // self.by)}s"

    def hold(self, duration: str) -> str:
        """How long an alarm has to hold."""
        if self.by == 1 or seconds(duration) == 0:
            return duration
        scaled = max(1, seconds(duration) // self.by)
        return f"{scaled if self.most_hold_seconds is None else min(scaled, self.most_hold_seconds)}s"

    def expression(self, expression: str) -> str:
        """An expression with its ranges and offsets on this scale, and {5m} as a number of seconds."""
        ranged = _IN_EXPRESSIONS.sub(lambda found: self.duration(found[0]), expression)
        return _AS_NUMBERS.sub(lambda found: f"{self._number(found[1]):g}", ranged)

    def _number(self, duration: str) -> float:
        return max(seconds(duration) / self.by, self.least_seconds)
