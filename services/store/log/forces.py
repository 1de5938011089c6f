"""The forces that this process deals with: a ring for each, and how far its log is known to reach."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from chassis.names import MetricName
from chassis.telemetry import meter
from services.store.log.ring import Ring

_position = meter().create_gauge(MetricName.STORE_POSITION, "1", "Position of the newest read")


class ForceTable(Protocol):
    """Forces in the database."""

    async def head(self, force: str) -> int:
        """The position of the newest read of a force, which is made if it is new."""


class Forces:
    """A ring for every force in use."""

    def __init__(self, table: ForceTable, ring_bytes: int) -> None:
        self._table = table
        self._ring_bytes = ring_bytes
        self._rings: dict[str, Ring] = {}
        self._opening = asyncio.Lock()

    async def open(self, force: str) -> Ring:
        """The ring of a force, made when it is first asked for. Raises InvalidInput FORCE_INVALID."""
        ring = self._rings.get(force)
        return ring if ring is not None else await self._open(force)

    def opened(self, force: str) -> Ring:
        """The ring of a force that was opened before."""
        return self._rings[force]

    def announce(self, heads: Mapping[str, int]) -> None:
        """Logs are known to reach these positions. Of forces not in use that is only shown."""
        for force, head in heads.items():
            ring = self._rings.get(force)
            if ring is not None:
                ring.announce(head)
            # What was announced may be older than our own last commit.
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
                self._rings[force] = Ring(self._ring_bytes, await self._table.head(force))
            return self._rings[force]


def tell_position(force: str, head: int) -> None:
    """Show how far a force's log reaches, also in a replica that appends nothing."""
    _position.set(head, {"force": force})
