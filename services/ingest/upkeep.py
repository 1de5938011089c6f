"""What runs beside the door: the registry is kept fresh, the counts are written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol

import asyncpg

from chassis.database_faults import DATABASE_TROUBLE, database_fault
from chassis.errors import Fault
from services.ingest.registry import Feed, Registry
from services.ingest.tallies import CameraKey, Tallies, Tally

_log = logging.getLogger(__name__)
_CLOSE_SECONDS: Final = 5.0


class RegistrySource(Protocol):
    """Where the registry comes from."""

    async def version(self) -> int:
        """Grows with every change."""

    async def load(self) -> tuple[int, Mapping[bytes, Feed]]:
        """The whole registry with its version."""


class TallySink(Protocol):
    """Where the counts go."""

    async def add(self, tallies: Mapping[CameraKey, Tally]) -> None:
        """Add counts to the cameras'."""


class RegistryUpkeep:
    """Loads the registry when it changed: told by the database at once, and asking every few seconds."""

    def __init__(self, registry: Registry, source: RegistrySource, every: float) -> None:
        self._registry = registry
        self._source = source
        self._every = every
        self._told = asyncio.Event()
        self._loading = asyncio.Lock()

    def tell(self, *_: object) -> None:
        """The database says that there was a change."""
        self._told.set()

    async def refresh(self) -> None:
        """Load the registry if what is in memory is old."""
        async with self._loading:
            if await self._source.version() != self._registry.version:
                self._registry.replace(*await self._source.load())

    async def run(self) -> None:
        """Keep it fresh, for ever. While the database is away, what is in memory stays in force."""
        while True:
            try:
                await self.refresh()
            except Exception as error:
                if not _is_passing(error):
                    raise
                _log.warning("the camera registry cannot be read", extra={"cause": type(error).__name__})
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._every):
                await self._told.wait()
        except TimeoutError:
            return
        self._told.clear()


async def listen(pool: asyncpg.Pool, channel: str, upkeep: RegistryUpkeep, every: float) -> None:
    """Hear of changes while the database is up, for ever; reconnects every few seconds when it was not."""
    while True:
        try:
            async with pool.acquire() as connection:
                await _listen_on(connection, channel, upkeep)
        except Exception as error:
            if not _is_passing(error):
                raise
        await asyncio.sleep(every)


async def _listen_on(connection: asyncpg.Connection, channel: str, upkeep: RegistryUpkeep) -> None:
    gone = asyncio.Event()

    def ended(_: object) -> None:
        gone.set()

    connection.add_termination_listener(ended)
    await connection.add_listener(channel, upkeep.tell)
    try:
        # A change may have been missed before.
        upkeep.tell()
        await gone.wait()
    finally:
        # Of a connection that is gone the calls themselves raise, which would hide a cancellation.
        with suppress(*DATABASE_TROUBLE):
            connection.remove_termination_listener(ended)
            await connection.remove_listener(channel, upkeep.tell)


async def write_tallies(tallies: Tallies, sink: TallySink, every: float) -> None:
    """Write the counts every few seconds, and once more at the end."""
    try:
        while True:
            await asyncio.sleep(every)
            await flush(tallies, sink)
    finally:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await flush(tallies, sink)


async def flush(tallies: Tallies, sink: TallySink) -> None:
    """Write the counts; keeps them for the next time when the database is away."""
    taken = tallies.take()
    if not taken:
        return
    try:
        await sink.add(taken)
    except Exception as error:
        tallies.put_back(taken)
        if not _is_passing(error):
            raise
        _log.warning("camera counts cannot be written", extra={"cause": type(error).__name__})


def _is_passing(error: Exception) -> bool:
    return isinstance(error, Fault | OSError | TimeoutError) or database_fault(error) is not None
