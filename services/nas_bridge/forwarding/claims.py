"""Claims on forwarders as PostgreSQL advisory locks, fenced by a number in the forwarder's row.

The locks belong to one connection, so a process that dies gives them back at once. The number fences off
a process that only believes it still has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg

from chassis.database import statements
from services.nas_bridge.postgres import ForwarderRow, of_force
from services.nas_bridge.records import ClaimLostError, Route

_SQL: Final = statements("services.nas_bridge")
_ASK_AGAIN_SECONDS: Final = 1.0
_BEAT_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 5.0


class PostgresClaim(ForwarderRow):
    """See `services.nas_bridge.records.Claim`."""

    def __init__(self, pool: asyncpg.Pool, route: Route, row: asyncpg.Record, holder: _Holder) -> None:
        super().__init__(pool, route, row["epoch"])
        self.position: int = row["position"]
        self._holder = holder

    async def lost(self) -> None:
        """Return when the right is known to be lost."""
        await self._holder.gone.wait()


class PostgresClaims:
    """See `services.nas_bridge.records.Claims`. Keeps one connection of the pool for the locks."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._holder: _Holder | None = None
        self._asking = asyncio.Lock()

    @asynccontextmanager
    async def hold(self, route: Route) -> AsyncIterator[PostgresClaim]:
        """Wait for the claim on a route and hold it inside the block. Raises ClaimLostError, Unavailable."""
        holder = await self._locked(route)
        try:
            async with of_force(self._pool, route.force) as connection:
                row = await connection.fetchrow(_SQL.claim_forwarder, *route)
            yield PostgresClaim(self._pool, route, row, holder)
        finally:
            await self._unlock(holder, route)

    async def beat_forever(self) -> None:
        """Ask the connection of the locks now and then whether it still lives."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            async with self._asking:
                if self._holder is not None:
                    with suppress(ClaimLostError):
                        await self._ask(self._holder, "select 1")

    async def aclose(self) -> None:
        """Give back all locks."""
        async with self._asking:
            if self._holder is not None:
                await self._discard(self._holder)

    async def _locked(self, route: Route) -> _Holder:
        while True:
            async with self._asking:
                holder = self._holder or await self._open()
                if await self._ask(holder, _SQL.try_lock_forwarder, *route):
                    return holder
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def _unlock(self, holder: _Holder, route: Route) -> None:
        async with self._asking:
            if not holder.gone.is_set():
                with suppress(ClaimLostError):
                    await self._ask(holder, _SQL.unlock_forwarder, *route)

    async def _open(self) -> _Holder:
        self._holder = _Holder(await self._pool.acquire())
        return self._holder

    async def _ask(self, holder: _Holder, statement: str, *values: str) -> bool:
        try:
            return bool(await holder.connection.fetchval(statement, *values, timeout=_ANSWER_SECONDS))
        except Exception as error:
            await self._discard(holder)
            raise ClaimLostError("the connection that held the claims is gone") from error
        except asyncio.CancelledError:
            # An answer that nobody heard leaves unknown locks behind.
            await self._discard(holder)
            raise

    async def _discard(self, holder: _Holder) -> None:
        self._holder = None
        holder.gone.set()
        # The pool takes back a connection that broke by itself, and then will not hear of it again.
        with suppress(asyncpg.InterfaceError):
            holder.connection.terminate()
        await self._pool.release(holder.connection)


class _Holder:
    """A connection that holds locks, until it is gone."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.gone = asyncio.Event()
