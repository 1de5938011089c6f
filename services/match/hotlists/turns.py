"""Turns of imports to use the database: few at once, and shared out among the forces that wait."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """At most `at_once` turns run. One force gets them all only when there is one.

    The next turn goes to the force that has waited longest since its last one. A turn is taken for work whose
    input has arrived: a slow upload takes none.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._most_of_a_force = max(1, at_once - 1)
        self._running: Counter[str] = Counter()
        # In the order in which the forces are served.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, force: str) -> AsyncIterator[None]:
        """Wait for a turn of the force, and hold it."""
        await self._take(force)
        try:
            yield
        finally:
            self._give_back(force)

    async def _take(self, force: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(force, deque()).append(turn)
        self._share_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(force)
            else:
                self._leave(force, turn)
            raise

    def _give_back(self, force: str) -> None:
        self._free += 1
        self._running[force] -= 1
        if not self._running[force]:
            del self._running[force]
        self._share_out()

    def _leave(self, force: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting[force]
        queue.remove(turn)
        if not queue:
            del self._waiting[force]

    def _share_out(self) -> None:
        while self._free and (force := self._next()) is not None:
            queue = self._waiting.pop(force)
            queue.popleft().set_result(None)
            if queue:
                # Behind the other forces.
                self._waiting[force] = queue
            self._free -= 1
            self._running[force] += 1

    def _next(self) -> str | None:
        return next((force for force in self._waiting if self._running[force] < self._most_of_a_force), None)
