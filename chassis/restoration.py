"""Whether this service's database was restored and still holds data that was deleted since the backup.

A restore leaves a row in the schema of the service (``restoration``). The service deletes it when it has
deleted that data again. Until then the guard refuses the RPCs whose access rule says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from chassis.database import statements
from chassis.errors import Unavailable
from chassis.loops import repeat

_EVERY_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 10.0
_SQL: Final = statements("chassis")
_log = logging.getLogger(__name__)


class Restoration:
    """Closed until the database was asked, and for as long as it has the row. Once open, it stays open: a row
    comes only while no service runs.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._opened = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether nothing keeps data from being shown."""
        return self._opened.is_set()

    def require_open(self) -> None:
        """Raise Unavailable RESTORE_IN_PROGRESS while the restore is not finished."""
        if not self._opened.is_set():
            raise Unavailable(
                "RESTORE_IN_PROGRESS",
                "the database was restored from a backup; data that is past its time is being deleted first",
                retry_after=_RETRY_SECONDS,
            )

    async def subject(self) -> str | None:
        """What was restored, for the audit trail; None when the database is not being restored."""
        subject: str | None = await self._pool.fetchval(_SQL.restoration)
        if subject is None:
            self._opened.set()
        return subject

    async def finish(self) -> None:
        """Open at every replica: what was deleted since the backup is deleted again."""
        await self._pool.execute(_SQL.finish_restoration)
        _log.info("the restore is finished; search and alerts are open")
        self._opened.set()

    async def run(self) -> None:
        """Look until it is open: another replica may finish the restore."""
        await self.until_open(self._look)

    async def until_open(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Repeat an attempt to finish the restore until it is open."""
        attempting = asyncio.create_task(
            repeat(attempt, name="restoration", every=_EVERY_SECONDS), name="restoration"
        )
        opened = asyncio.create_task(self._opened.wait(), name="restoration is finished")
        try:
            done, _ = await asyncio.wait([attempting, opened], return_when=asyncio.FIRST_COMPLETED)
            if attempting in done:
                await attempting
        finally:
            for task in (attempting, opened):
                task.cancel()
            await asyncio.wait([attempting, opened])

    async def _look(self) -> None:
        await self.subject()
