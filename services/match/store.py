"""The store's log, as matching follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeAlias

from gantry.store.v1.store_pb2 import TailReadsResponse

from chassis.errors import Unavailable
from clients.store import StoreClient

CONSUMER: Final = "match"
# The store shows a sign of life every 5 seconds.
SILENCE_SECONDS: Final = 15.0

Tail: TypeAlias = AsyncGenerator[TailReadsResponse, None]


class StoreLog:
    """See `services.match.ports.ReadLog`."""

    def __init__(self, store: StoreClient, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        """A tail without any sign of life for `silence_seconds` counts as broken."""
        self._store = store
        self._silence = silence_seconds

    async def follow(self, force: str, after: int | None) -> Tail:
        """Reads after a position, then new ones as they come; None: from the oldest kept.

        Raises Fault; Unavailable STORE_SILENT when the store has stopped showing signs of life.
        """
        async with aclosing(self._store.follow(force, CONSUMER, after=after)) as tail:
            while (response := await self._next(tail)) is not None:
                yield response

    async def _next(self, tail: Tail) -> TailReadsResponse | None:
        try:
            async with asyncio.timeout(self._silence):
                return await anext(tail, None)
        except TimeoutError:
            raise Unavailable("STORE_SILENT", "the store shows no sign of life") from None

    async def report(self, force: str, position: int) -> None:
        """Say that everything up to `position` is durably dealt with. Raises Fault."""
        await self._store.report_cursor(force, CONSUMER, position)
