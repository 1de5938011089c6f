"""Keeps the feeds in memory up to date with the registry in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol

from gantry.store.v1.forces_pb2 import Force

from chassis.loops import repeat
from services.ingest.cameras.expectation import rules_from
from services.ingest.cameras.feeds import Feed, FeedDirectory


class FeedSource(Protocol):
    """The registry in the database."""

    async def version(self) -> int:
        """Grows with every change."""

    async def load(self) -> tuple[int, Mapping[bytes, Feed]]:
        """The version, and every feed by the key of its token, as of one moment."""


class ForceDirectory(Protocol):
    """The directory of forces."""

    @property
    def forces(self) -> Mapping[str, Force]:
        """Every force by code, retired ones included."""

    @property
    def active(self) -> Collection[str]:
        """The forces that take new reads."""

    @property
    def changed(self) -> asyncio.Event:
        """Set after each change."""


class FeedRefresh:
    """Loads the feeds when `wake` is set and every few seconds, if the database has another version."""

    def __init__(self, feeds: FeedDirectory, source: FeedSource, every: float) -> None:
        self.wake = asyncio.Event()
        self._feeds = feeds
        self._source = source
        self._every = every
        self._loading = asyncio.Lock()

    async def refresh(self) -> None:
        """Load the feeds if they have changed."""
        async with self._loading:
            if await self._source.version() != self._feeds.version:
                self._feeds.replace(*await self._source.load())

    async def run(self) -> None:
        """Refresh without end. While the database is unavailable, the feeds in memory stay valid."""
        await repeat(self.refresh, name="camera registry", every=self._every, wake=self.wake)


async def follow_forces(feeds: FeedDirectory, directory: ForceDirectory) -> None:
    """Keep checking reads by the settings of their forces, and leaving out the feeds of retired forces.

    A force that the directory does not have yet is not retired: its feeds deliver.
    """
    while True:
        await directory.changed.wait()
        directory.changed.clear()
        feeds.follow({code: rules_from(force.settings) for code, force in directory.forces.items()})
        feeds.retire(frozenset(directory.forces) - frozenset(directory.active))
