"""News of other replicas' commits: told by the database at each, and asked for in case that was missed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import asyncpg

from chassis.database import statements
from chassis.database_faults import DATABASE_TROUBLE
from chassis.errors import Fault

CHANNEL: Final = "gantry_store_appended"
_ASK_SECONDS: Final = 1.0
_SQL: Final = statements("services.store.log")

_log = logging.getLogger(__name__)

Announce = Callable[[Mapping[str, int]], None]


async def watch_heads(pool: asyncpg.Pool, sender: str, announce: Announce) -> None:
    """Announce how far each force's log reaches, for ever, also across failures of the database.

    Notices that `sender` itself caused are left out: it knows already.
    """
    while True:
        try:
            async with pool.acquire() as connection:
                await _watch(connection, sender, announce)
        except (*DATABASE_TROUBLE, Fault) as error:
            _log.warning("cannot hear of other replicas' commits", extra={"error": type(error).__name__})
            await asyncio.sleep(_ASK_SECONDS)


async def _watch(connection: Any, sender: str, announce: Announce) -> None:
    def notice(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
        force, head, origin = payload.split(" ")
        if origin != sender:
            announce({force: int(head)})

    await connection.add_listener(CHANNEL, notice)
    try:
        while True:
            announce({row["force"]: row["head"] for row in await connection.fetch(_SQL.heads)})
            await asyncio.sleep(_ASK_SECONDS)
    finally:
        # Of a connection that is gone the call itself raises, which would hide a cancellation.
        with suppress(*DATABASE_TROUBLE):
            await connection.remove_listener(CHANNEL, notice)
