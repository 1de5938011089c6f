"""The index that a force's reads are matched against now, and how it is exchanged without a pause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from anpr.confusable import Keys
from chassis.telemetry import tracer
from chassis.transient import TransientError
from services.match.index.segments import Index, Segment
from services.match.names import SpanName

KEEP_SECONDS: Final = 60.0
"""How long a released index stays in memory, because a lost lease often comes back soon."""

_EMPTY: Final = Index(())


@dataclass(frozen=True, slots=True)
class Load:
    """The number of the load that one import brought, how many entries it has, whether it is the canary's."""

    load_no: int
    entries: int
    of_canary: bool = False


class LoadDroppedError(TransientError):
    """The load was replaced and dropped meanwhile."""


class KeySource(Protocol):
    """The loads of all forces; see `services.match.index.postgres`."""

    async def active_loads(self, force: str) -> Sequence[Load]:
        """The loads of the force's active hotlists."""

    async def folded_keys(self, force: str, load: Load) -> Keys:
        """The folded keys of a load, in no order. Raises LoadDroppedError."""


class LiveIndex:
    """The index of one force. It is empty while this replica does not match the force's reads."""

    def __init__(self, force: str, source: KeySource) -> None:
        self._force = force
        self._source = source
        self._segments: dict[int, Segment] = {}
        self._current: Index | None = None
        self._exchange = asyncio.Lock()
        self._dropping: asyncio.TimerHandle | None = None

    @property
    def current(self) -> Index:
        """The index now."""
        return self._current or _EMPTY

    @property
    def in_memory(self) -> bool:
        """Whether there is an index in memory."""
        return self._current is not None

    async def refresh(self) -> Index:
        """Use the force's active loads from now on. Reads loads that are not in memory."""
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None
        async with self._exchange:
            return await self._take_active()

    @asynccontextmanager
    async def prepared(self, load: Load) -> AsyncIterator[None]:
        """Hold `load` in memory while its activation commits inside; the next `refresh` then takes no time.

        Matching goes on while the load is read.
        """
        segment = None if self._current is None else await self._segment(load)
        async with self._exchange:
            if segment is not None:
                self._segments[load.load_no] = segment
            yield

    def release(self) -> None:
        """Free the memory in a minute, unless `refresh` is called before."""
        if self._dropping is None:
            self._dropping = asyncio.get_running_loop().call_later(KEEP_SECONDS, self.drop)

    def drop(self) -> None:
        """Free the memory."""
        self._dropping = None
        self._current = None
        self._segments = {}

    async def _take_active(self) -> Index:
        loads = await self._source.active_loads(self._force)
        for load in loads:
            if load.load_no not in self._segments:
                self._segments[load.load_no] = await self._segment(load)
        self._segments = {load.load_no: self._segments[load.load_no] for load in loads}
        self._current = Index(
            tuple(self._segments[load.load_no] for load in loads if not load.of_canary),
            tuple(self._segments[load.load_no] for load in loads if load.of_canary),
        )
        return self._current

    async def _segment(self, load: Load) -> Segment:
        with tracer().start_as_current_span(SpanName.MATCH_INDEX, attributes={"entries": load.entries}):
            keys = await self._source.folded_keys(self._force, load)
            # Sorting millions of keys here would delay every alert.
            return await asyncio.to_thread(Segment, load.load_no, keys)
