"""Which forces this replica follows: advisory locks of one PostgreSQL session, which also hears of changes.

A lock ends with its session, so another replica takes over within seconds of a death. Should a session be
thought dead while its process still works, the cursor's compare-and-set keeps the two apart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import asyncpg

from chassis.database_faults import DATABASE_TROUBLE
from services.match.passing import go_on_after
from services.match.postgres import SQL

TICK_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)

Listener = Callable[[str], None]


class Lease:
    """The right to follow a force, until `lost` is set."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()


class Leases:
    """The leases of this replica. `run` has to be running for any of them to be had."""

    def __init__(self, pool: asyncpg.Pool, forces: Sequence[str], listeners: Mapping[str, Listener]) -> None:
        """`listeners` maps channels of NOTIFY to what is called with the payload."""
        self._pool = pool
        self._listeners = listeners
        self._held: dict[str, asyncio.Future[Lease]] = {force: _open() for force in forces}

    async def lease(self, force: str) -> Lease:
        """Wait until this replica is the one that follows `force`."""
        while True:
            lease = await asyncio.shield(self._held[force])
            if not lease.lost.is_set():
                return lease

    async def run(self) -> None:
        """Keep a session with PostgreSQL, take what leases are free, and make a new one when it breaks."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._keep(connection)
            except Exception as error:  # noqa: BLE001 - a bug is raised again
                go_on_after(error)
                _log.warning("lost the session that holds the leases", extra={"kind": type(error).__name__})
            finally:
                self._lose_all()
            await asyncio.sleep(TICK_SECONDS)

    async def _keep(self, connection: asyncpg.Connection) -> None:
        heard = {channel: _hearing(listener) for channel, listener in self._listeners.items()}
        await connection.execute(SQL["keep_session"])
        try:
            for channel, callback in heard.items():
                await connection.add_listener(channel, callback)
            while True:
                await self._take_free(connection)
                await asyncio.sleep(TICK_SECONDS)
        finally:
            await _forget(connection, heard)

    async def _take_free(self, connection: asyncpg.Connection) -> None:
        wanted = [force for force, held in self._held.items() if not held.done()]
        # Also shows that the session still works.
        for row in await connection.fetch(SQL["take_leases"], wanted, timeout=_ANSWER_SECONDS):
            _log.info("following", extra={"force": row["force"]})
            self._held[row["force"]].set_result(Lease())

    def _lose_all(self) -> None:
        for force, held in self._held.items():
            if held.done():
                held.result().lost.set()
                self._held[force] = _open()


def _open() -> asyncio.Future[Lease]:
    return asyncio.get_running_loop().create_future()


def _hearing(listener: Listener) -> Callable[..., None]:
    def heard(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        listener(str(payload))

    return heard


async def _forget(connection: asyncpg.Connection, heard: Mapping[str, Callable[..., None]]) -> None:
    with suppress(*DATABASE_TROUBLE):
        for channel, callback in heard.items():
            await connection.remove_listener(channel, callback)
