"""How long to wait before trying again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in seconds: a random part of `first`, doubling with every failure up to `most`."""

    first: float = 0.2
    most: float = 30.0

    def wait(self, failures: int, at_least: float = 0.0) -> float:
        """Seconds to wait after the n-th failure in a row (from 1), on top of what the server asked for.

        Full jitter: cameras that lost the server together do not return together.
        """
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, 32))
        return at_least + random.uniform(0.0, longest)  # noqa: S311
