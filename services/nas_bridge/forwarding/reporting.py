"""Tell the store how far a forwarder is, so that it keeps what is still needed and no more."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from chassis.errors import Fault
from services.nas_bridge.records import Route

_EVERY_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class CursorLog(Protocol):
    """Who is to know; `clients.store.StoreClient` is one."""

    async def report_cursor(self, force: str, consumer: str, position: int) -> None:
        """Tell how far a consumer has durably come. Raises Fault."""


class CursorReport:
    """Reports at most once a second, and again until the store has heard it."""

    def __init__(self, log: CursorLog, route: Route) -> None:
        self._log = log
        self._route = route
        self._position = 0
        self._changed = asyncio.Event()

    def note(self, position: int) -> None:
        """Everything up to `position` is durably dealt with."""
        self._position = position
        self._changed.set()

    async def report_forever(self) -> None:
        """Report what is noted."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._report()
            await asyncio.sleep(_EVERY_SECONDS)

    async def _report(self) -> None:
        force, destination = self._route
        try:
            await self._log.report_cursor(force, destination, self._position)
        except Fault as fault:
            self._changed.set()
            about = {"force": force, "destination": destination, "cause": fault.reason}
            _log.warning("the store did not hear how far delivery is", extra=about)
