"""The directory in memory, for its watchers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

from chassis.backoff import Backoff
from chassis.database_faults import database_unavailable
from chassis.errors import Unavailable
from chassis.loops import repeat
from services.store.forces.force import Directory, Forces

PROGRESS_SECONDS: Final = 4.0
"""The contract promises a message at least every 5 seconds."""

ASK_SECONDS: Final = 0.5
STALE_SECONDS: Final = 5.0
"""A directory that was not compared with the database for longer than this is not confirmed to watchers."""


class DirectoryFeed:
    """Reads the revision from the database twice a second, and serves all watchers from memory."""

    def __init__(
        self, forces: Forces, stopping: asyncio.Event, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._forces = forces
        self._stopping = stopping
        self._clock = clock
        self._compared_at = clock()
        self._newest: Directory | None = None
        self._reading = asyncio.Lock()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Look for changes without end."""
        await repeat(self.look, name="directory", every=ASK_SECONDS, backoff=Backoff(0.1, ASK_SECONDS))

    async def look(self) -> None:
        """Read the directory if its revision has changed."""
        asked_at = self._clock()
        if self._newest is None or await self._forces.revision() != self._newest.revision:
            await self._read()
        self._compared_at = asked_at

    async def watch(self) -> AsyncGenerator[Directory | int, None]:
        """The directory, then again after each change; its revision alone when nothing has changed for 4 s.

        Begins with what the database holds, so that a watcher never gets an older directory than it had from
        another replica. Raises Unavailable STOPPING when the server stops, and DATABASE_UNAVAILABLE when the
        database has not answered for 5 s: another replica may have a newer directory.
        """
        # Asking a database that does not answer takes a minute, and a watcher may find another replica.
        self._require_compared()
        sent = newest = await self._read()
        changed = self._changed
        yield sent
        while not self._stopping.is_set():
            await _set_within(changed, PROGRESS_SECONDS)
            changed, newest = self._changed, self._newest or newest
            if newest.revision != sent.revision:
                sent = newest
                yield sent
            else:
                self._require_compared()
                yield sent.revision
        raise Unavailable("STOPPING", "the store is stopping; watch the directory again")

    def _require_compared(self) -> None:
        if self._clock() - self._compared_at > STALE_SECONDS:
            raise database_unavailable()

    def wake(self) -> None:
        """Wake every watcher."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _read(self) -> Directory:
        # One at a time: an older directory never replaces a newer one.
        async with self._reading:
            directory = await self._forces.directory()
            if self._newest is None or directory.revision != self._newest.revision:
                self._newest = directory
                self.wake()
            return directory


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
