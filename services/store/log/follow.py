"""Follows a log without a gap: from the database up to the ring, then from the ring."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from chassis.database_faults import database_unavailable
from chassis.errors import OutOfRange, Unavailable
from chassis.metrics import counter
from services.store.log.ring import LogEntry, Ring
from services.store.names import MetricName

PROGRESS_SECONDS: Final = 4.0
UNSURE_SECONDS: Final = 5.0
"""A log whose end the database has not told for longer than this is not confirmed to followers."""
_caught_up = counter(MetricName.CATCH_UP_READS)


@dataclass(frozen=True, slots=True)
class LogPart:
    """Entries in order, the position that the follower has reached with them, and the log's head."""

    entries: Sequence[LogEntry]
    position: int
    head: int


class PastReads(Protocol):
    """The log in the database."""

    async def entries_after(self, force: str, position: int, most_reads: int) -> Sequence[LogEntry]:
        """Entries after a position, oldest first: at least one if there is any."""

    async def head(self, force: str) -> int:
        """The position of the newest read."""

    async def purged_to(self, force: str) -> int:
        """The highest position that was ever deleted."""

    async def oldest(self, force: str) -> int:
        """The position just before the oldest read that is left; the head when none is."""


@dataclass(frozen=True, slots=True)
class Log:
    """A force's log: in the database, and its newest part in memory."""

    past: PastReads
    ring: Ring
    force: str


@dataclass(frozen=True, slots=True)
class Start:
    """The position after which a follower begins, and up to which reads may be missing."""

    position: int
    accepted_gap: int


async def start_at(log: Log, after: int | None) -> Start:
    """Begin after a position, or at the oldest read (None).

    Raises OutOfRange POSITION_AHEAD or POSITION_PURGED.
    """
    past, ring, force = log.past, log.ring, log.force
    if after is None:
        purged_to = await past.purged_to(force)
        return Start(await past.oldest(force), purged_to)
    if after > ring.head:
        # The follower may have a position from another replica that has not been announced here.
        ring.announce(await past.head(force))
    if after > ring.head:
        raise OutOfRange(
            "POSITION_AHEAD",
            f"the log ends at {ring.head}; it never reached that position",
            field="after_position",
        )
    await _check_not_purged(past, force, after)
    return Start(after, after)


async def follow(log: Log, start: Start, most_reads: int, stopping: asyncio.Event) -> AsyncIterator[LogPart]:
    """Parts of the log until `stopping` is set. A part is empty at the start, and as a keep-alive.

    Raises Unavailable STOPPING, DATABASE_UNAVAILABLE when the database has not answered for 5 s (then another
    replica may have newer reads), and OutOfRange POSITION_PURGED when reads that `start` does not allow to be
    missing were deleted.
    """
    position = start.position
    with log.ring.followed():
        require_sure(log)
        yield LogPart((), position, max(position, log.ring.head))
        while True:
            changed = log.ring.changed
            entries: Sequence[LogEntry] | None = log.ring.after(position, most_reads)
            if entries is None:
                entries = await _from_database(log, position, start.accepted_gap, most_reads)
            if entries:
                position = entries[-1].last
            elif await _set_within(changed, PROGRESS_SECONDS) and not stopping.is_set():
                continue
            if not entries:
                require_sure(log)
            yield LogPart(entries, position, max(position, log.ring.head))
            if stopping.is_set():
                raise Unavailable("STOPPING", "the store is stopping; follow again from the last position")


def require_sure(log: Log) -> None:
    """Raise Unavailable DATABASE_UNAVAILABLE when the log may have grown without this replica's knowledge."""
    if log.ring.unsure_seconds > UNSURE_SECONDS:
        raise database_unavailable()


async def _from_database(log: Log, position: int, accepted_gap: int, most_reads: int) -> Sequence[LogEntry]:
    entries = await log.past.entries_after(log.force, position, most_reads)
    _caught_up.add(sum(entry.reads for entry in entries), {"force": log.force})
    # Queried after the reads, so that a deletion meanwhile is detected.
    await _check_not_purged(log.past, log.force, max(position, accepted_gap))
    return entries


async def _check_not_purged(past: PastReads, force: str, position: int) -> None:
    purged_to = await past.purged_to(force)
    if purged_to > position:
        first = purged_to + 1
        raise OutOfRange(
            "POSITION_PURGED",
            f"reads after that position were deleted; the log is whole from {first} on",
            metadata={"first_position": str(first)},
            field="after_position",
        )


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
