"""The newest part of a force's log in memory, serialised, from which live followers are served."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from services.store.images.packing import EntryImages

_OVERHEAD: Final = 400
_MOST_MISSING: Final = 50_000
"""A ring that misses more positions than this starts anew; followers read the rest from the database."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """The reads of one append. It covers the positions after `after` up to and including `last`.

    `reads` is how many reads of the force it has. `body` is a serialised AppendedReads without images, empty
    when no read is left. A canary has a body and no read of the force.
    """

    after: int
    last: int
    reads: int
    body: bytes
    received_at_us: int
    images: EntryImages | None = None
    canary: bool = False


@dataclass(frozen=True, slots=True)
class _Later:
    """Entries of a commit after positions that are not in the ring yet."""

    head_before: int
    entries: Sequence[LogEntry]


class Ring:
    """The entries of the newest positions without a gap: after `start` up to `end`.

    `head` is the last position known, also from other replicas. While it is past `end`, the ring misses
    entries that another replica committed: `missing` is set, and they have to be read and added.
    """

    def __init__(
        self, capacity_bytes: int, head: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`head` is what the database says at this moment."""
        self.start = self.end = self.head = head
        self.missing = asyncio.Event()
        self._clock = clock
        self._compared_at = clock()
        self._capacity = capacity_bytes
        self._bytes = 0
        # Lists with a moving first element: a deque is slow to search.
        self._entries: list[LogEntry] = []
        self._lasts: list[int] = []
        self._first = 0
        self._later: deque[_Later] = deque()
        self._followers = 0
        self._changed = asyncio.Event()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Count a follower. Without followers, entries of other replicas are not asked for."""
        if not self._followers and self.end < self.head:
            self._start_anew(self.head)
        self._followers += 1
        try:
            yield
        finally:
            self._followers -= 1

    def add(self, head_before: int, entries: Sequence[LogEntry]) -> None:
        """Add what followed the position `head_before`, from a commit or from the database.

        Entries after a gap are kept until the gap is filled.
        """
        if not entries or entries[-1].last <= self.end:
            return
        self.head = max(self.head, entries[-1].last)
        if head_before > self.end and not self._is_worth_filling(head_before):
            self._start_anew(head_before)
        if head_before > self.end:
            self._later.append(_Later(head_before, entries))
            self.missing.set()
            return
        self._extend(entries)
        while self._later and self._later[0].head_before <= self.end:
            self._extend(self._later.popleft().entries)
        if self.end >= self.head:
            self.missing.clear()
        self._drop_oldest()
        self.wake()

    @property
    def unsure_seconds(self) -> float:
        """For how long the database has not said where the log ends: other replicas may have appended."""
        return self._clock() - self._compared_at

    def announce(self, head: int) -> None:
        """The log reaches `head`, as the database says at this moment."""
        self._compared_at = self._clock()
        if head <= self.head:
            return
        self.head = head
        if not self._is_worth_filling(head):
            # Followers are woken, because they must read from the database.
            self._start_anew(head)
        else:
            self.missing.set()
        self.wake()

    def forget(self, before_us: int) -> None:
        """Drop entries received before a time: reads that retention deletes must not stay in memory."""
        while self._first < len(self._entries) and self._entries[self._first].received_at_us < before_us:
            self._drop_first()
        self._give_back()

    def after(self, position: int, most_reads: int) -> list[LogEntry] | None:
        """The entries that follow `position`, if there are any yet. None: only the database has them."""
        if position >= self.end:
            return []
        if position < self.start:
            return None
        index = bisect_right(self._lasts, position, self._first)
        if self._entries[index].after != position:
            return None
        return self._take(index, most_reads)

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next change. Take it before reading the state, so that no change is missed."""
        return self._changed

    def wake(self) -> None:
        """Wake every follower."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _is_worth_filling(self, up_to: int) -> bool:
        return bool(self._followers) and up_to - self.end <= _MOST_MISSING

    def _extend(self, entries: Sequence[LogEntry]) -> None:
        for entry in entries:
            if entry.last <= self.end:
                # It was read from the database before its commit was announced.
                continue
            self._entries.append(entry if entry.after == self.end else replace(entry, after=self.end))
            self._lasts.append(entry.last)
            self._bytes += len(entry.body) + _OVERHEAD
            self.end = entry.last

    def _take(self, index: int, most_reads: int) -> list[LogEntry]:
        taken: list[LogEntry] = []
        reads = 0
        while index < len(self._entries):
            entry = self._entries[index]
            if taken and reads + entry.reads > most_reads:
                break
            taken.append(entry)
            reads += entry.reads
            index += 1
        return taken

    def _start_anew(self, start: int) -> None:
        self._entries.clear()
        self._lasts.clear()
        self._first = self._bytes = 0
        self.start = self.end = start
        self.missing.clear()
        self._later = deque(each for each in self._later if each.head_before >= start)

    def _drop_oldest(self) -> None:
        while self._bytes > self._capacity and self._first < len(self._entries):
            self._drop_first()
        self._compact()

    def _drop_first(self) -> None:
        dropped = self._entries[self._first]
        self._bytes -= len(dropped.body) + _OVERHEAD
        self._first += 1
        self.start = dropped.last

    def _compact(self) -> None:
        # Rarely, so that it costs little for each entry, and often enough to release the memory.
        if self._first > 64 and self._first * 8 > len(self._entries):
            self._give_back()

    def _give_back(self) -> None:
        del self._entries[: self._first], self._lasts[: self._first]
        self._first = 0
