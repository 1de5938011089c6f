"""The logs in use: for each force a ring with its newest entries, and the writer that appends to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from chassis.loops import repeat
from services.store.log.commit import CommitResult
from services.store.log.ring import LogEntry, Ring
from services.store.log.writer import ForceWriter, Published
from services.store.trouble import Trouble

_FILL_SECONDS: Final = 1.0
_FILL_READS: Final = 5_000


class PastEntries(Protocol):
    """The log in the database."""

    async def head(self, force: str) -> int:
        """The position of the newest read. Raises NotFound FORCE_UNKNOWN."""

    async def entries_after(self, force: str, position: int, most_reads: int) -> Sequence[LogEntry]:
        """Entries after a position, oldest first: at least one if there is any."""


@dataclass(frozen=True, slots=True)
class LiveLog:
    """A log in use."""

    force: str
    ring: Ring
    writer: ForceWriter


class LiveLogs:
    """The logs in use. `run` must be running. It owns the tasks that append and that fill the rings."""

    def __init__(
        self,
        past: PastEntries,
        writer_of: Callable[[str, Published], ForceWriter],
        tell_others: Callable[[str, int], None],
        ring_bytes: int,
    ) -> None:
        """`tell_others` gets a force and its head after each commit of this replica."""
        self._past = past
        self._writer_of = writer_of
        self._tell_others = tell_others
        self._ring_bytes = ring_bytes
        self._logs: dict[str, LiveLog] = {}
        self._opening = asyncio.Lock()
        self._opened: asyncio.Queue[LiveLog] = asyncio.Queue()

    async def run(self) -> None:
        """Append, and read the appends of other replicas, without end."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                log = await self._opened.get()
                tasks.create_task(log.writer.run(), name=f"writer of {log.force}")
                tasks.create_task(log.writer.close_breaker(), name=f"breaker of {log.force}")
                tasks.create_task(self._keep_whole(log), name=f"ring of {log.force}")

    async def open(self, force: str) -> LiveLog:
        """The log of a force. The first call puts it into use. Raises NotFound FORCE_UNKNOWN."""
        log = self._logs.get(force)
        return log if log is not None else await self._open(force)

    def announce(self, heads: Mapping[str, int]) -> None:
        """Logs are known to reach these positions. Forces that are not in use are passed over."""
        for force, head in heads.items():
            log = self._logs.get(force)
            if log is not None:
                log.ring.announce(head)

    def refusing(self) -> Iterator[tuple[str, bool]]:
        """Each log in use, and whether its appends are refused since the last one failed."""
        for log in tuple(self._logs.values()):
            yield log.force, log.writer.trouble is not None

    def queue_shares(self) -> Iterator[tuple[str, float]]:
        """Each log in use, and what waits for its commit, as a share of the limit."""
        for log in tuple(self._logs.values()):
            yield log.force, log.writer.queue_share

    def trouble(self, force: str) -> Trouble | None:
        """Why appends of a force fail at this replica, and since when."""
        log = self._logs.get(force)
        return None if log is None else log.writer.trouble

    def forget(self, before_us: int) -> None:
        """Drop entries received before a time from memory."""
        for log in self._logs.values():
            log.ring.forget(before_us)

    def wake(self) -> None:
        """Wake all followers."""
        for log in self._logs.values():
            log.ring.wake()

    async def _open(self, force: str) -> LiveLog:
        async with self._opening:
            if force not in self._logs:
                ring = Ring(self._ring_bytes, await self._past.head(force))
                writer = self._writer_of(force, self._publish_to(force, ring))
                self._logs[force] = LiveLog(force, ring, writer)
                self._opened.put_nowait(self._logs[force])
            return self._logs[force]

    def _publish_to(self, force: str, ring: Ring) -> Published:
        def published(result: CommitResult, entries: Sequence[LogEntry]) -> None:
            if entries:
                ring.add(result.head_before, entries)
                self._tell_others(force, result.head)

        return published

    async def _keep_whole(self, log: LiveLog) -> None:
        """Read the appends of other replicas: once for all followers."""
        ring = log.ring

        async def fill() -> None:
            while ring.end < ring.head:
                after = ring.end
                entries = await self._past.entries_after(log.force, after, _FILL_READS)
                if not entries:
                    return
                ring.add(after, entries)

        await repeat(
            fill, name="reading what other replicas appended", every=_FILL_SECONDS, wake=ring.missing
        )
