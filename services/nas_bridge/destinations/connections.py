"""Open destinations. Lines whose destinations are reached in the same way share one connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from chassis.errors import StartupFailure
from services.nas_bridge.destinations.adapter import DeliveryFailedError, Destination
from services.nas_bridge.destinations.destination import DestinationSettings
from services.nas_bridge.destinations.identities import Identities, IdentityUnusableError
from services.nas_bridge.destinations.plugins import AdapterUnusableError, find_adapter

_OPEN_SECONDS: Final = 30.0
_CLOSE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class Connections:
    """Opens a destination for its first user and closes it after its last one."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._open: dict[tuple[object, ...], _Connection] = {}

    @asynccontextmanager
    async def open(self, settings: DestinationSettings) -> AsyncIterator[Destination]:
        """The destination, open inside the block. Raises DeliveryFailedError when it cannot be opened."""
        key = _key(settings)
        connection = self._open.get(key)
        if connection is None:
            connection = self._open[key] = _Connection(lambda: self._opening(settings))
        connection.users += 1
        try:
            yield await connection.destination()
        finally:
            connection.users -= 1
            if not connection.users:
                del self._open[key]
                await connection.close()

    def _opening(self, settings: DestinationSettings) -> AbstractAsyncContextManager[Destination]:
        tls = self._identities.tls_of(settings.identity)
        return find_adapter(settings.adapter).open(settings, tls)


class _Connection:
    """One open destination. It is entered and left in one task of its own, independent of its users."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Destination]]) -> None:
        self.users = 0
        self._make = make
        self._opened: asyncio.Future[Destination] = asyncio.get_running_loop().create_future()
        self._close = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="destination")

    async def destination(self) -> Destination:
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                return await asyncio.shield(self._opened)
        except TimeoutError:
            raise DeliveryFailedError(f"the destination did not open within {_OPEN_SECONDS:g} s") from None

    async def close(self) -> None:
        self._close.set()
        if not self._opened.done():
            self._task.cancel()
        # An adapter that does not close must not delay its line.
        await asyncio.wait([self._task], timeout=_CLOSE_SECONDS)

    async def _run(self) -> None:
        try:
            async with self._make() as destination:
                self._opened.set_result(destination)
                await self._close.wait()
        except Exception as error:  # noqa: BLE001 - each one concerns this destination only
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if self._opened.done():
            _log.warning("a destination did not close properly", extra={"cause": type(error).__name__})
            return
        # Only our own texts are shown. Another text could quote a read or a secret.
        ours = isinstance(error, (StartupFailure, IdentityUnusableError, AdapterUnusableError))
        said = str(error) if ours else type(error).__name__
        self._opened.set_exception(DeliveryFailedError(f"the destination cannot be opened: {said}"))
        self._opened.exception()  # a user that was cancelled meanwhile does not ask for it


def _key(settings: DestinationSettings) -> tuple[object, ...]:
    """Equal for destinations that are reached in the same way: other settings make no difference."""
    options = tuple(sorted(settings.options.items()))
    return settings.adapter, options, settings.identity, settings.server_name, settings.timeout_seconds
