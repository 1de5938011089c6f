"""Gathers reads that arrive while the last part is processed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic

from following.log import I, Part


@dataclass(frozen=True, slots=True)
class GatherLimits:
    """When a part is full, and how long its first read waits for others.

    A part exceeds `most_reads` or `most_bytes` only by being a single item, which is never split. With
    `seconds` 0 a part holds the reads that have arrived by now.
    """

    most_reads: int = 5_000
    most_bytes: int = 8 * 1024 * 1024
    seconds: float = 0.0


class Gather(Generic[I]):
    """Between the tail of a log, which feeds it, and a step, for which `take` cuts parts."""

    def __init__(self, limits: GatherLimits, position: int) -> None:
        """Begin after `position`, up to which everything is processed."""
        self._limits = limits
        self._items: deque[I] = deque()
        self._reads = 0
        self._bytes = 0
        self._taken = position
        self._came = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._over = False
        self._closed = False
        self.position = position
        """The position up to which the log has arrived."""
        self.head = position
        """The log's last position as far as it is known."""
        self.heard = False
        """Whether the log has sent anything yet."""

    async def feed(self, parts: AsyncGenerator[Part[I], None]) -> None:
        """Put in the parts of the log until it ends or fails. Earlier parts can still be taken."""
        try:
            async with aclosing(parts):
                async for part in parts:
                    await self.put(part)
        finally:
            self._end()

    def close(self) -> None:
        """Accept nothing more. `take` ends, even when reads are waiting."""
        self._closed = True
        self._end()

    async def put(self, part: Part[I]) -> None:
        """Add a part of the log; waits while more than a full part is waiting."""
        # Set at once, so that the lag is right also while it is full.
        self.head = max(self.head, part.head)
        while self._reads > self._limits.most_reads or self._bytes > self._limits.most_bytes:
            self._room.clear()
            await self._room.wait()
        for item in part.items:
            self._items.append(item)
            self._reads += item.count
            self._bytes += len(item.encoded)
        self.position = max(self.position, part.position)
        self.heard = True
        self._came.set()
        if self._is_full():
            self._full.set()

    async def take(self) -> Part[I] | None:
        """The next part, when it is full or its first read has waited long enough; None at the log's end.

        A part without items says that the log has moved on without reads.
        """
        while self.position == self._taken and not self._over:
            self._came.clear()
            await self._came.wait()
        if self._items and self._limits.seconds:
            await self._fill()
        return None if self._closed or self.position == self._taken else self._cut()

    def _end(self) -> None:
        self._over = True
        self._came.set()
        self._full.set()

    async def _fill(self) -> None:
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._full.wait()
        except TimeoutError:
            return

    def _cut(self) -> Part[I]:
        items: list[I] = []
        reads = size = 0
        while self._items and (not items or self._fits(reads, size)):
            item = self._items.popleft()
            items.append(item)
            reads, size = reads + item.count, size + len(item.encoded)
        self._reads -= reads
        self._bytes -= size
        self._taken = items[-1].last if self._items else self.position
        if not self._is_full():
            self._full.clear()
        self._room.set()
        return Part(items, self._taken, self.head)

    def _fits(self, reads: int, size: int) -> bool:
        item, limits = self._items[0], self._limits
        return reads + item.count <= limits.most_reads and size + len(item.encoded) <= limits.most_bytes

    def _is_full(self) -> bool:
        return self._over or self._reads >= self._limits.most_reads or self._bytes >= self._limits.most_bytes
