"""The limit of memory for reads that are not durable yet: in all, and a share for each force."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from chassis.metrics import counter
from services.ingest.names import MetricName

_waits = counter(MetricName.INGEST_BACKPRESSURE)


class Memory:
    """The memory of all forces, with a limit in bytes.

    A force may hold as much as is still free. So one force alone gets at most half, two get a third each, and
    there is always room for another: a force whose appends are stuck does not take the memory of the others.
    Messages that have begun to arrive count too. While a force is full, its streams are not read; but those
    that were being read before may each receive another message, which `unfinished` limits.
    """

    def __init__(self, limit: int, least: int = 0) -> None:
        """A force may always have `least` bytes of unfinished messages."""
        self.limit = limit
        self._most_unfinished = max(limit // 3, least)
        self.used = 0
        self._shares: dict[str, MemoryShare] = {}

    @property
    def share(self) -> float:
        """What is in use, as a share of the limit. Unfinished messages may take it above 1."""
        return self.used / self.limit

    def of(self, force: str) -> MemoryShare:
        """The share of a force."""
        share = self._shares.get(force)
        if share is None:
            share = self._shares[force] = MemoryShare(self)
        return share

    def unfinished(self, held: Mapping[str, int]) -> list[str]:
        """Count the bytes of each force's unfinished messages in. Returns the forces that hold too much."""
        for force, share in self._shares.items():
            share.hold(held.get(force, 0))
        for force in held.keys() - self._shares.keys():
            self.of(force).hold(held[force])
        too_much = [force for force, size in held.items() if size > self._most_unfinished]
        if not too_much and sum(held.values()) > 2 * self._most_unfinished:
            return [max(held, key=held.__getitem__)]
        return too_much

    def released(self) -> None:
        """Wake the streams of every force that has room."""
        for share in self._shares.values():
            share.wake()


class MemoryShare:
    """The memory of one force. A stream asks `full` before it reads, and awaits a `waiter` while it is."""

    def __init__(self, memory: Memory) -> None:
        self.used = 0
        self._held = 0
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

    def hold(self, size: int) -> None:
        """Count `size` bytes of unfinished messages, instead of those counted before."""
        change, self._held = size - self._held, size
        if change > 0:
            self.take(change)
        elif change < 0:
            self.release(-change)

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
