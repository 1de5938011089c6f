"""The connections that append: kept between appends, so that no append prepares statements or resets a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

import asyncpg

from chassis.database_faults import DATABASE_TROUBLE

_RELEASE_SECONDS: Final = 1.0


class AppendConnections:
    """At most so many connections of a pool; an append that finds none waits its turn."""

    def __init__(self, pool: asyncpg.Pool, most: int) -> None:
        self._pool = pool
        self._turns = asyncio.Semaphore(most)
        self._idle: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._idle:
            await self._give_back(self._idle.pop())

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """A connection for one append. After an error it is not used again, whatever its state is."""
        async with self._turns:
            connection = await self._taken()
            try:
                yield connection
            except BaseException:
                await self._give_back(connection)
                raise
            self._idle.append(connection)

    async def _taken(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not _is_gone(connection):
                return connection
            await self._give_back(connection)
        return await self._pool.acquire()

    async def _give_back(self, connection: Any) -> None:
        with suppress(*DATABASE_TROUBLE):
            await asyncio.shield(self._pool.release(connection, timeout=_RELEASE_SECONDS))


def _is_gone(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        # The server ended it while it was idle, and the pool has taken it back.
        return True
