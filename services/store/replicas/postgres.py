"""Notices between replicas: each notifies the others after its commits, and polls the database every second.

A transaction that notifies holds one lock of the whole cluster until it is flushed. So no append notifies.
This loop notifies, once for all commits of the last few milliseconds, in a transaction without a flush. A
notice may be lost; the poll covers it. Any role of the database may send notices, so a notice is only a
reason to poll now: what it says is believed by nobody but replicas of the release before.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import asyncpg

from chassis.backoff import Backoff
from chassis.database import statements, stop_listening
from chassis.database_faults import DATABASE_TROUBLE
from chassis.loops import repeat

CHANNEL: Final = "gantry_store_appended"
_ASK_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.005
_FIRST_WAIT: Final = 0.1
_MOST_CHARACTERS: Final = 7_000
"""A notice of PostgreSQL has less than 8,000 bytes."""
_SQL: Final = statements("services.store.replicas")

Heads = Mapping[str, int]
"""Position of the newest read by force."""


class ReplicaNews:
    """Notifies other replicas of logs that have grown, and announces the heads when they notify this one.

    Holds one connection.
    """

    def __init__(self, pool: asyncpg.Pool, announce: Callable[[Heads], None]) -> None:
        self._pool = pool
        self._announce = announce
        self._sender = secrets.token_hex(8)
        self._committed: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._connection: Any = None
        self._asked_at = 0.0
        self._noticed = False

    def committed(self, force: str, head: int) -> None:
        """This replica has committed up to `head`."""
        self._committed[force] = head
        self._wake.set()

    async def run(self) -> None:
        """Notify and poll without end, also after failures of the database."""
        try:
            await repeat(
                self._exchange,
                name="news of other replicas",
                every=_ASK_SECONDS,
                wake=self._wake,
                # Followers are refused until the database has said where the logs end.
                backoff=Backoff(_FIRST_WAIT, _ASK_SECONDS),
            )
        finally:
            await self._leave()

    async def _exchange(self) -> None:
        try:
            connection = await self._connected()
            if self._committed:
                await self._tell(connection)
            if self._noticed or asyncio.get_running_loop().time() - self._asked_at >= _ASK_SECONDS:
                await self._ask(connection)
            # One exchange covers the commits and the notices of this time.
            await asyncio.sleep(_PAUSE_SECONDS)
        except BaseException:
            await self._leave()
            raise

    async def _tell(self, connection: Any) -> None:
        heads, self._committed = self._committed, {}
        for notice in notices(self._sender, heads):
            await connection.execute(_SQL.tell_heads, notice)

    async def _ask(self, connection: Any) -> None:
        self._noticed = False
        rows = await connection.fetch(_SQL.heads)
        self._asked_at = asyncio.get_running_loop().time()
        self._announce({row["force"]: row["head"] for row in rows})

    async def _connected(self) -> Any:
        if self._connection is None:
            self._asked_at = 0.0
            self._connection = await self._pool.acquire()
            await self._connection.add_listener(CHANNEL, self._heard)
        return self._connection

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        if sender_of(payload) != self._sender:
            self._noticed = True
            self._wake.set()

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        await stop_listening(connection, (CHANNEL,), self._heard)
        # On a broken connection the call raises, which would hide a cancellation.
        with suppress(*DATABASE_TROUBLE):
            await asyncio.shield(self._pool.release(connection, timeout=_ASK_SECONDS))


def notices(sender: str, heads: Heads) -> Iterator[str]:
    """The heads as texts "SENDER FORCE=HEAD FORCE=HEAD ...", each short enough for a notice."""
    text = sender
    for force, head in heads.items():
        if len(text) > _MOST_CHARACTERS:
            yield text
            text = sender
        text += f" {force}={head}"
    yield text


def sender_of(text: str) -> str:
    """The sender of a notice."""
    return text.partition(" ")[0]
