"""The directory in memory, for those who watch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from chassis.errors import Unavailable
from chassis.loops import repeat
from services.store.forces.force import Directory, Forces

PROGRESS_SECONDS: Final = 4.0
"""The contract promises a message at least every 5 seconds."""

ASK_SECONDS: Final = 0.5


class DirectoryFeed:
    """Asks the database for a new revision twice a second, and serves any number of watchers from memory."""

    def __init__(self, forces: Forces, stopping: asyncio.Event) -> None:
        self._forces = forces
        self._stopping = stopping
        self._newest: Directory | None = None
        self._reading = asyncio.Lock()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Look for changes for ever."""
        await repeat(self.look, name="directory", every=ASK_SECONDS)

    async def look(self) -> None:
        """Read the directory if its revision has changed."""
        if self._newest is None or await self._forces.revision() != self._newest.revision:
            await self._read()

    async def watch(self) -> AsyncGenerator[Directory | int, None]:
        """The directory, then again after each change; its revision alone when nothing has changed for 4 s.

        Begins with what the database holds, so that a watcher never gets an older directory than it had from
        another replica. Raises Unavailable STOPPING when the server stops.
        """
        sent = newest = await self._read()
        changed = self._changed
        yield sent
        while not self._stopping.is_set():
            await _set_within(changed, PROGRESS_SECONDS)
            changed, newest = self._changed, self._newest or newest
            if newest.revision == sent.revision:
                yield sent.revision
            else:
                sent = newest
                yield sent
        raise Unavailable("STOPPING", "the store is stopping; watch the directory again")

    def wake(self) -> None:
        """Let every watcher look again."""
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
