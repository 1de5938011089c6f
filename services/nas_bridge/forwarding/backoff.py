"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass
class Backoff:
    """Doubles from `first` to `most` seconds, with full jitter so that those who failed together part."""

    first: float
    most: float
    failures: int = 0

    def succeeded(self) -> None:
        """Begin from the start again."""
        self.failures = 0

    def next_wait(self, asked: float | None = None) -> float:
        """Seconds to wait after one more failure; `asked` is the other side's wish, honoured up to `most`."""
        reach = min(self.most, self.first * 2.0 ** min(self.failures, 60))
        self.failures += 1
        return min(self.most, (asked or 0.0) + random.uniform(0, reach))  # noqa: S311
