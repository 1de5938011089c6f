"""When a read is due: the recorded time after the first read, divided by the speed."""

import time
from collections.abc import Callable
from typing import Final

# Shorter waits cost more than they are worth. Reads so close together share a batch.
_SHORTEST_SECONDS: Final = 0.02


class Pace:
    """Computes the wait for a read. Reads out of order are sent in the file's order without a wait."""

    def __init__(self, speed: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`speed` 2.0 is twice as fast as recorded."""
        self._speed = speed
        self._clock = clock
        self._started: float | None = None
        self._first_us = 0

    def wait_for(self, captured_us: int) -> float:
        """Seconds until a read captured at that time is due; 0 when it is."""
        if self._started is None:
            self._started, self._first_us = self._clock(), captured_us
            return 0.0
        due = self._started + (captured_us - self._first_us) / 1e6 / self._speed
        wait = due - self._clock()
        return wait if wait >= _SHORTEST_SECONDS else 0.0
