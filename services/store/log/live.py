"""The newest part of every log in use: a ring for each force, kept without gaps although other replicas commit too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from chassis.loops import repeat
from chassis.telemetry import meter
from services.store.log.ring import LogEntry, Ring
from services.store.names import MetricName

_FILL_SECONDS: Final = 1.0
_FILL_READS: Final = 5_000
_position = meter().create_gauge(MetricName.STORE_POSITION, "1", "Position of the newest read")


class PastEntries(Protocol):
    """The log in the database."""

    async def head(self, force: str) -> int:
        """The position of the newest read. Raises NotFound FORCE_UNKNOWN."""

    async def entries_after(self, force: str, position: int, most_reads: int) -> Sequence[LogEntry]:
        """Entries after a position, oldest first: at least one if there is any."""


class LiveLogs:
    """A ring for every force in use. `run` has to run: it reads what other replicas committed into the rings."""

    def __init__(self, past: PastEntries, ring_bytes: int) -> None:
        self._past = past
        self._ring_bytes = ring_bytes
        self._rings: dict[str, Ring] = {}
        self._opening = asyncio.Lock()
        self._opened: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        """Fill the rings, for ever. One read of the database covers all commits that it finds."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                force = await self._opened.get()
                tasks.create_task(self._keep_whole(force), name=f"entries of {force}")

    async def open(self, force: str) -> Ring:
        """The ring of a force, made when it is first asked for. Raises NotFound FORCE_UNKNOWN."""
        ring = self._rings.get(force)
        return ring if ring is not None else await self._open(force)

    def opened(self, force: str) -> Ring:
        """The ring of a force that was opened before."""
        return self._rings[force]

    def announce(self, heads: Mapping[str, int]) -> None:
        """Logs are known to reach these positions. Forces that are not in use get the metric only."""
        for force, head in heads.items():
            ring = self._rings.get(force)
            if ring is not None:
                ring.announce(head)
            # The announcement may be older than our own last commit.
            tell_position(force, head if ring is None else ring.head)

    def forget(self, before_us: int) -> None:
        """Keep nothing in memory that was received before a time."""
        for ring in self._rings.values():
            ring.forget(before_us)

    def wake(self) -> None:
        """Let all followers look again."""
        for ring in self._rings.values():
            ring.wake()

    async def _open(self, force: str) -> Ring:
        async with self._opening:
            if force not in self._rings:
                self._rings[force] = Ring(self._ring_bytes, await self._past.head(force))
                self._opened.put_nowait(force)
            return self._rings[force]

    async def _keep_whole(self, force: str) -> None:
        ring = self._rings[force]

        async def fill() -> None:
            while ring.end < ring.head:
                after = ring.end
                entries = await self._past.entries_after(force, after, _FILL_READS)
                if not entries:
                    return
                ring.add(after, entries)

        await repeat(fill, name="reading what other replicas appended", every=_FILL_SECONDS, wake=ring.missing)


def tell_position(force: str, head: int) -> None:
    """Show how far a force's log reaches, also in a replica that appends nothing."""
    _position.set(head, {"force": force})
