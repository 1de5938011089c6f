"""The index that a force's reads are matched against now, and how it is exchanged without a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from chassis.names import MetricName, SpanName
from chassis.telemetry import meter, tracer
from services.match.index import Index, Keys, Segment

T = TypeVar("T")

_entries = meter().create_gauge(MetricName.MATCH_INDEX_ENTRIES, "1", "Entries in the index, by force")
_EMPTY: Final = Index(-1, ())


@dataclass(frozen=True, slots=True)
class Load:
    """The entries that one import brought, under their number, and how many they are."""

    load_no: int
    entries: int


@dataclass(frozen=True, slots=True)
class ActiveLoads:
    """The loads that make up a force's hotlists, and the generation that they are."""

    generation: int
    loads: tuple[Load, ...]


class KeySource(Protocol):
    """Where loads are kept."""

    async def active_loads(self, force: str) -> ActiveLoads:
        """What the force's reads have to be matched against now."""

    async def folded_keys(self, force: str, load: Load) -> Keys:
        """The folded keys of a load, in no order."""


class LiveIndex:
    """The index of one force. Empty until its follower asks for it with `refresh`."""

    def __init__(self, force: str, source: KeySource) -> None:
        self._force = force
        self._source = source
        self._segments: dict[int, Segment] = {}
        self._current: Index | None = None
        self._exchange = asyncio.Lock()

    @property
    def current(self) -> Index:
        """The index now; `generation` -1 and empty when this replica does not follow the force."""
        return self._current or _EMPTY

    async def refresh(self) -> Index:
        """Match against the force's active loads from now on; reads from the database what is missing."""
        async with self._exchange:
            return await self._take_active()

    async def renew(self) -> None:
        """As `refresh`, but only if this replica follows the force."""
        if self._current is not None:
            await self.refresh()

    async def activate(self, load: Load, commit: Callable[[], Awaitable[T]]) -> T:
        """Have `load` in memory, then `commit` its activation, then match against it.

        Matching does not wait for the load to be read: only the exchange happens after the commit.
        Returns what `commit` did.
        """
        segment = None if self._current is None else await self._segment(load)
        async with self._exchange:
            if segment is not None:
                self._segments[load.load_no] = segment
            committed = await commit()
            if self._current is not None:
                await self._take_active()
            return committed

    def drop(self) -> None:
        """Give the memory back: another replica follows the force."""
        self._current = None
        self._segments = {}

    async def _take_active(self) -> Index:
        active = await self._source.active_loads(self._force)
        for load in active.loads:
            if load.load_no not in self._segments:
                self._segments[load.load_no] = await self._segment(load)
        kept = [self._segments[load.load_no] for load in active.loads]
        self._segments = {segment.load_no: segment for segment in kept}
        self._current = Index(active.generation, tuple(kept))
        _entries.set(self._current.entries, {"force": self._force})
        return self._current

    async def _segment(self, load: Load) -> Segment:
        with tracer().start_as_current_span(SpanName.MATCH_INDEX, attributes={"entries": load.entries}):
            keys = await self._source.folded_keys(self._force, load)
            # Sorting millions of keys would hold up every alert.
            return await asyncio.to_thread(Segment, load.load_no, keys)
