"""Whether an append has to look for reads that are stored already. Looking costs a quarter more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_FIRST_US: Final = 60_000_000
_MOST_US: Final = 3_600_000_000


class Repeats:
    """What is known of one force's repeated reads: after one is found, appends look for more for a time.

    The time doubles with each repeat that comes soon after it, from a minute to an hour. So a camera that
    repeats all its reads costs one failed insert an hour.
    """

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._look_until_us = 0
        self._last_us = 0

    @property
    def expected(self) -> bool:
        """Whether an append has to look for repeats."""
        return self._now_us() < self._look_until_us

    def found(self) -> None:
        """An append that did not look has met a repeat."""
        now_us = self._now_us()
        soon = now_us < self._look_until_us + self._last_us
        self._last_us = min(_MOST_US, self._last_us * 2) if soon else _FIRST_US
        self._look_until_us = now_us + self._last_us
