"""Reads as retention needs them, and the port to the stored ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Times:
    """A range of times of capture: from `start` on, before `end`, in microseconds."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PurgeTotals:
    """The totals of a certificate. `last_position` is 0 when there were none."""

    last_position: int
    reads: int
    image_objects: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class BufferState:
    """Counts, and the days of which reads are kept. `late_from` is the day of the oldest late read."""

    head: int
    reads_stored: int
    days: Sequence[date]
    late_from: date | None


@dataclass(frozen=True, slots=True)
class Identities:
    """Part of the reads of a range, in order."""

    text: str
    reads: int
    last_position: int


class RetentionRecords(Protocol):
    """Reads and certificates. Methods that get a force raise NotFound FORCE_UNKNOWN."""

    def leading(self) -> AbstractAsyncContextManager[bool]:
        """Whether this replica may run retention now. One replica may at a time."""

    async def end_stuck_sessions(self) -> int:
        """End statements of frozen processes, which would keep partitions from being dropped; how many."""

    async def forces(self) -> Sequence[str]:
        """All forces, retired ones included."""

    async def largest_day_bytes(self) -> int:
        """The size of rows and indexes of the largest day, all forces together; 0 without any day."""

    async def days(self, force: str) -> Sequence[date]:
        """The days that have a partition, oldest first."""

    async def least_cursor(self, force: str) -> int:
        """The least cursor of the registered consumers; the head when none is registered."""

    async def reaches_past(self, force: str, day: date, position: int) -> bool:
        """Whether there are reads of a day past a position."""

    def identities(self, force: str, times: Times, up_to: int) -> AsyncIterator[Identities]:
        """The identities of the reads of these times up to a position, in order, some thousands at once."""

    async def late(self, force: str, before_us: int, rows: int) -> Sequence[tuple[int, int]]:
        """Position and time of receipt of the first reads captured before a time."""

    async def illustrated(self, force: str, times: Times, up_to: int) -> frozenset[tuple[int, int]]:
        """Day (as a number) and number of each image object that reads of these times refer to."""

    async def drop_day(self, force: str, day: date, totals: PurgeTotals, now_us: int) -> bool:
        """Drop a day's partition and record the purge, in one transaction; False when that is not allowed."""

    async def delete_older(self, force: str, before_us: int, totals: PurgeTotals, now_us: int) -> bool:
        """Delete late reads and record the purge, in one transaction; False when that is not allowed."""

    async def unfinished(self, force: str) -> Sequence[int]:
        """Purges whose images may not be deleted yet."""

    async def purges(self, force: str, below: int, rows: int) -> Sequence[Mapping[str, Any]]:
        """Finished purges below a number, newest first."""

    async def state(self, force: str) -> BufferState:
        """The state of the buffer now."""

    async def finish(self, force: str, purge_no: int, now_us: int) -> None:
        """Record that a purge is finished."""

    async def forget_appends(self, force: str, captured_before_us: int, received_before_us: int) -> None:
        """Forget appends of which no read is left."""
