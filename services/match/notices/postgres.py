"""Notices by PostgreSQL's NOTIFY, sent after the commit and coalesced. Polling covers a lost notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import asyncpg

from chassis.database import statements, stop_listening
from chassis.loops import repeat

SQL: Final = statements("services.match.notices")
EVENTS: Final = "gantry_match_events"
HOTLISTS: Final = "gantry_match_hotlists"
CHECK_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.5


class PostgresNotices:
    """Notifies all replicas, this one included, of durable changes. `send` and `listen` must be running.

    `on_events` is called with a force and the number of its last event, `on_hotlists` when hotlists changed.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.on_events: Callable[[str, int], None] = lambda _force, _number: None
        self.on_hotlists: Callable[[], None] = lambda: None
        self._pool = pool
        self._untold: dict[tuple[str, str], str] = {}
        self._told = asyncio.Event()

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        await self._pool.execute(SQL["ping"])

    def tell_events(self, force: str, number: int) -> None:
        """Notify that the events of a force up to `number` are durable."""
        self._tell(EVENTS, force, f"{force} {number}")

    def tell_hotlists(self, force: str) -> None:
        """Notify that a force's hotlists have changed."""
        self.on_hotlists()
        self._tell(HOTLISTS, force, force)

    async def send(self) -> None:
        """Send the notices. A later notice of a force replaces one that was not sent yet."""
        await repeat(self._send, name="notices", every=60.0, wake=self._told)

    async def listen(self) -> None:
        """Listen with a connection of its own, and with a new one when it breaks."""
        await repeat(self._listen, name="listening for notices", every=_RETRY_SECONDS)

    def _tell(self, channel: str, force: str, payload: str) -> None:
        self._untold[channel, force] = payload
        self._told.set()

    async def _send(self) -> None:
        untold, self._untold = self._untold, {}
        if untold:
            channels = [channel for channel, _ in untold]
            await self._pool.execute(SQL["notify"], channels, list(untold.values()))

    async def _listen(self) -> None:
        async with self._pool.acquire() as connection:
            try:
                for channel in (EVENTS, HOTLISTS):
                    await connection.add_listener(channel, self._heard)
                while True:
                    await connection.execute(SQL["ping"], timeout=_ANSWER_SECONDS)
                    await asyncio.sleep(CHECK_SECONDS)
            finally:
                await stop_listening(connection, (EVENTS, HOTLISTS), self._heard)

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        force, _, number = str(payload).partition(" ")
        if channel == EVENTS:
            # Any role of the database may send notices: one causes a look into the database and no more.
            if number.isdecimal():
                self.on_events(force, int(number))
        else:
            self.on_hotlists()
