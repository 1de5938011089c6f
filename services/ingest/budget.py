"""How much of vendors' reads may be in memory at once, over all streams."""

from __future__ import annotations

import asyncio

from chassis.names import MetricName
from chassis.telemetry import meter

_waits = meter().create_counter(
    MetricName.INGEST_BACKPRESSURE, "1", "Times a stream was made to wait for room"
)


class Budget:
    """Bytes in flight. Whoever reads more asks `full` first and awaits `room` when it is.

    The last message of each stream may go beyond the limit: its size is known only when it is here.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def used(self) -> int:
        """Bytes in flight now."""
        return self._used

    @property
    def full(self) -> bool:
        """Whether there is no room."""
        return self._used >= self._limit

    def take(self, cost: int) -> None:
        """Count a batch in."""
        self._used += cost

    def release(self, cost: int) -> None:
        """Count batches out, and let the waiting go on."""
        self._used -= cost
        if self._waiting and not self.full:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)

    async def room(self) -> None:
        """Wait until there is room."""
        while self.full:
            _waits.add(1)
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
