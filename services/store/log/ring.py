"""The newest part of a force's log in memory, already serialised: live followers never touch the database."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_OVERHEAD: Final = 400


@dataclass(frozen=True, slots=True)
class BatchImages:
    """Where the images of a batch are: one object a day of capture; `refs` as in reads.image, one a read."""

    object_number: int
    days: Sequence[int]
    refs: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """The reads of one append. It covers the positions after `after` up to and including `last`.

    `body` is a serialised ReadBatch without images, empty when no read is left.
    """

    after: int
    last: int
    reads: int
    body: bytes
    received_at_us: int
    images: BatchImages | None = None


class Ring:
    """What was committed last, without a gap: every position after `start` up to `end`.

    `head` is the last position known of, also from other replicas; it may be past `end`.
    """

    def __init__(self, capacity_bytes: int, head: int = 0) -> None:
        self.start = self.end = self.head = head
        self._capacity = capacity_bytes
        self._bytes = 0
        # Lists with a moving first element: a deque is slow to search.
        self._batches: list[Batch] = []
        self._lasts: list[int] = []
        self._first = 0
        self._changed = asyncio.Event()

    def publish(self, head_before: int, batches: Sequence[Batch]) -> None:
        """Add what one commit appended after `head_before`."""
        if not batches or batches[-1].last <= self.end:
            return
        if head_before != self.end:
            # Somebody else appended in between: the ring starts anew, followers read the gap elsewhere.
            self._clear(head_before)
        for batch in batches:
            self._batches.append(batch)
            self._lasts.append(batch.last)
            self._bytes += len(batch.body) + _OVERHEAD
        self.end = batches[-1].last
        self.head = max(self.head, self.end)
        self._drop_oldest()
        self.wake()

    def announce(self, head: int) -> None:
        """The log is known to reach `head`."""
        if head > self.head:
            self.head = head
            self.wake()

    def forget(self, before_us: int) -> None:
        """Drop batches received before a time: what retention deletes must not live on in memory."""
        while self._first < len(self._batches) and self._batches[self._first].received_at_us < before_us:
            self._drop_first()
        self._give_back()

    def after(self, position: int, most_reads: int) -> list[Batch] | None:
        """The batches that follow `position`; empty at the head, None when the database has to be asked."""
        if position >= self.head:
            return []
        if not self.start <= position < self.end:
            return None
        index = bisect_right(self._lasts, position, self._first)
        if self._batches[index].after != position:
            return None
        return self._take(index, most_reads)

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next change. Take it before looking, so that no change is missed in between."""
        return self._changed

    def wake(self) -> None:
        """Let every follower look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _take(self, index: int, most_reads: int) -> list[Batch]:
        taken: list[Batch] = []
        reads = 0
        while index < len(self._batches):
            batch = self._batches[index]
            if taken and reads + batch.reads > most_reads:
                break
            taken.append(batch)
            reads += batch.reads
            index += 1
        return taken

    def _clear(self, start: int) -> None:
        self._batches.clear()
        self._lasts.clear()
        self._first = self._bytes = 0
        self.start = self.end = start

    def _drop_oldest(self) -> None:
        while self._bytes > self._capacity and self._first < len(self._batches):
            self._drop_first()
        self._compact()

    def _drop_first(self) -> None:
        dropped = self._batches[self._first]
        self._bytes -= len(dropped.body) + _OVERHEAD
        self._first += 1
        self.start = dropped.last

    def _compact(self) -> None:
        # Rarely, so that it costs little a batch, yet soon enough to give the memory back.
        if self._first > 64 and self._first * 8 > len(self._batches):
            self._give_back()

    def _give_back(self) -> None:
        del self._batches[: self._first], self._lasts[: self._first]
        self._first = 0
