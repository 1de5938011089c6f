"""The limit of memory for reads that are not durable yet: in all, and a share for each force."""

from __future__ import annotations

import asyncio

from chassis.metrics import counter
from services.ingest.names import MetricName

_waits = counter(MetricName.INGEST_BACKPRESSURE)


class Memory:
    """The memory of all forces, with a limit in bytes.

    A force may hold as much as is still free. So one force alone gets at most half, two get a third each, and
    there is always room for another: a force whose appends are stuck does not take the memory of the others.
    The last message of each stream may exceed the limit, since its size is known only after it was received.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._shares: dict[str, MemoryShare] = {}

    def of(self, force: str) -> MemoryShare:
        """The share of a force."""
        share = self._shares.get(force)
        if share is None:
            share = self._shares[force] = MemoryShare(self)
        return share

    def released(self) -> None:
        """Wake the streams of every force that has room."""
        for share in self._shares.values():
            share.wake()


class MemoryShare:
    """The memory of one force. A stream asks `full` before it reads, and awaits a `waiter` while it is."""

    def __init__(self, memory: Memory) -> None:
        self.used = 0
        self._memory = memory
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def full(self) -> bool:
        """Whether the force may hold no more."""
        memory = self._memory
        return self.used >= memory.limit - memory.used

    def take(self, cost: int) -> None:
        """Count a batch of `cost` bytes in."""
        self.used += cost
        self._memory.used += cost

    def release(self, cost: int) -> None:
        """Count batches of `cost` bytes out."""
        self.used -= cost
        self._memory.used -= cost
        self._memory.released()

    def waiter(self) -> asyncio.Future[None]:
        """Done when there may be room again, or when the one who waits has set it."""
        _waits.add(1)
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return waiter

    def wake(self) -> None:
        """Wake the streams that wait, if there is room."""
        if self._waiting and not self.full:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)
