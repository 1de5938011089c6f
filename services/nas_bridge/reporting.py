"""Tell the store how far a forwarder is, so that it keeps what is still needed and no more."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import grpc
from gantry.store.v1.store_pb2 import ReportCursorRequest

from chassis.errors import fault_from
from services.nas_bridge.records import Route

if TYPE_CHECKING:
    from gantry.store.v1.store_pb2_grpc import StoreServiceAsyncStub

_EVERY_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class CursorReport:
    """Reports at most once a second, and again until the store has heard it."""

    def __init__(self, store: StoreServiceAsyncStub, route: Route) -> None:
        self._store = store
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
            await self._store.ReportCursor(
                ReportCursorRequest(force=force, consumer=destination, position=self._position)
            )
        except grpc.aio.AioRpcError as error:
            self._changed.set()
            about = {"force": force, "destination": destination, "cause": fault_from(error).reason}
            _log.warning("the store did not hear how far delivery is", extra=about)
