"""Back-off: the wait before the next attempt. All rooms use this one."""

from __future__ import annotations

import random as randomness
from collections.abc import Callable
from typing import Final

# Doubling further would exceed what a float can hold.
_MOST_DOUBLINGS: Final = 60


class Backoff:
    """Exponential back-off with full jitter: clients that failed together do not return together.

    The wait is a random part of `first` seconds, of twice as much after the next failure, and so on up to
    `most`. `random` draws a number between its two arguments.
    """

    def __init__(
        self, first: float, most: float, *, random: Callable[[float, float], float] = randomness.uniform
    ) -> None:
        self._first = first
        self._most = most
        self._random = random
        self._failures = 0

    def next_wait(self, asked: float | None = None) -> float:
        """Count a failure and return the seconds to wait after it.

        `asked` is the wait that the far side asked for, as in RetryInfo. The jitter is added to it. The sum
        is at most `most`, or `asked` if that is more.
        """
        reach = min(self._most, self._first * 2.0 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        least = asked or 0.0
        return min(max(self._most, least), least + self._random(0.0, reach))

    def succeeded(self) -> None:
        """Count from the first failure again."""
        self._failures = 0
