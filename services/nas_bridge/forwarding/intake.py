"""What has come from the log and waits for delivery: bounded, taken in parcels."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gantry.store.v1.store_pb2 import ReadBatch, TailReadsResponse


@dataclass(frozen=True)
class ParcelLimits:
    """When a parcel is full, and how long a read waits for company.

    A parcel may exceed `most_reads` or `most_bytes` by being a single batch of the log, which is never split.
    """

    most_reads: int
    most_bytes: int
    gather_seconds: float


@dataclass(frozen=True)
class Parcel:
    """A stretch of the log: its batches, perhaps none, and the position up to which it reaches."""

    batches: Sequence[ReadBatch]
    position: int
    head: int

    @property
    def reads(self) -> int:
        """How many reads there are."""
        return sum(len(batch.positions) for batch in self.batches)


@dataclass
class _Entry:
    batch: ReadBatch
    reads: int
    bytes: int
    # Where the cursor stands once this is dealt with.
    position: int


class Intake:
    """Between one follower of the log, which puts, and one forwarder, which takes."""

    def __init__(self, limits: ParcelLimits, position: int) -> None:
        """Begin after `position`, up to which everything was dealt with before."""
        self._limits = limits
        self._entries: deque[_Entry] = deque()
        self._reads = 0
        self._bytes = 0
        self._position = self._taken = position
        self._came = asyncio.Event()
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self.head = 0

    @property
    def position(self) -> int:
        """The log has come in up to here."""
        return self._position

    async def put(self, response: TailReadsResponse, size: int) -> None:
        """Add a part of the log that was `size` bytes long; waits while there is enough for two parcels."""
        while self._reads > self._limits.most_reads or self._bytes > self._limits.most_bytes:
            self._room.clear()
            await self._room.wait()
        self._add(response, size)
        self.head = max(self.head, response.head)
        self._came.set()
        if self._is_enough():
            self._enough.set()

    async def take(self) -> Parcel:
        """The next parcel, when it is full or its first read has waited long enough.

        A parcel without reads says that the log has moved on without any.
        """
        while self._position == self._taken:
            self._came.clear()
            await self._came.wait()
        if self._entries:
            await self._gather()
        return self._cut()

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(self._limits.gather_seconds):
                await self._enough.wait()
        except TimeoutError:
            return

    def _add(self, response: TailReadsResponse, size: int) -> None:
        batches = [batch for batch in response.batches if batch.positions]
        total = sum(len(batch.positions) for batch in batches)
        for batch in batches:
            reads = len(batch.positions)
            # Measuring each batch would serialise it once more; its share of the whole is near enough.
            entry = _Entry(batch, reads, size * reads // total, batch.positions[-1])
            self._entries.append(entry)
            self._reads += entry.reads
            self._bytes += entry.bytes
        self._position = max(self._position, response.position)
        if self._entries:
            self._entries[-1].position = self._position

    def _cut(self) -> Parcel:
        batches: list[ReadBatch] = []
        reads = size = 0
        while self._entries and (not batches or self._fits(reads, size)):
            entry = self._entries.popleft()
            batches.append(entry.batch)
            reads, size, self._taken = reads + entry.reads, size + entry.bytes, entry.position
        self._reads -= reads
        self._bytes -= size
        if not self._entries:
            self._taken = self._position
        if not self._is_enough():
            self._enough.clear()
        self._room.set()
        return Parcel(batches, self._taken, self.head)

    def _fits(self, reads: int, size: int) -> bool:
        following, limits = self._entries[0], self._limits
        return reads + following.reads <= limits.most_reads and size + following.bytes <= limits.most_bytes

    def _is_enough(self) -> bool:
        return self._reads >= self._limits.most_reads or self._bytes >= self._limits.most_bytes
