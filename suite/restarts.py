"""Decides when a dead process is restarted, and when the suite gives it up."""

import time
from collections import deque
from collections.abc import Callable


class RestartPolicy:
    """Backs off from `first` seconds, doubling to `most`; gives up after `limit` deaths in `window`."""

    def __init__(
        self,
        *,
        limit: int = 5,
        window: float = 60.0,
        first: float = 0.1,
        most: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.window = window
        self._first = first
        self._most = most
        self._clock = clock
        self._deaths: deque[float] = deque()

    def delay(self) -> float | None:
        """Count a death now. Returns the seconds to wait before the restart, or None to give up."""
        now = self._clock()
        self._deaths.append(now)
        while self._deaths[0] <= now - self.window:
            self._deaths.popleft()
        if len(self._deaths) > self.limit:
            return None
        return float(min(self._most, self._first * 2 ** (len(self._deaths) - 1)))
