"""How late the event loop runs what is due: the saturation of a process that has one processor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from chassis.metrics import Gauge
from chassis.names import MetricName

_EVERY_SECONDS: Final = 0.1
_SLOT_SECONDS: Final = 10.0
_SLOTS: Final = 6

_shown: Final = Gauge(MetricName.LOOP_DELAY_SECONDS)


class LoopDelay:
    """The longest delay of the last minute. Another thread may ask, also while the loop hangs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # A slot for each ten seconds: its number, and the longest delay in it.
        self._slots = [(0, 0.0)] * _SLOTS
        self._due_at = clock() + _EVERY_SECONDS

    def expect(self) -> None:
        """The loop is to run something in 0.1 s."""
        self._due_at = self._clock() + _EVERY_SECONDS

    def came(self) -> None:
        """It ran what it was to run."""
        now = self._clock()
        number = int(now / _SLOT_SECONDS)
        kept, longest = self._slots[number % _SLOTS]
        delay = max(0.0, now - self._due_at)
        self._slots[number % _SLOTS] = (number, max(longest, delay) if kept == number else delay)

    def longest(self) -> float:
        """Seconds. A delay that still lasts counts."""
        now = self._clock()
        oldest = int(now / _SLOT_SECONDS) - _SLOTS
        kept = [delay for number, delay in tuple(self._slots) if number > oldest]
        return max(0.0, now - self._due_at, *kept)


async def watch() -> None:
    """Measure and show the delay of the running loop, without end."""
    delay = LoopDelay()
    with _shown.observing(lambda: [(delay.longest(), {})]):
        while True:
            delay.expect()
            await asyncio.sleep(_EVERY_SECONDS)
            delay.came()
