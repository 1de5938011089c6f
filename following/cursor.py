"""A cursor while its line runs: what is durable, what is processed, and the moves between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol, TypeVar

from following.lease import FencedError, Lease, Move

IDLE_SECONDS: Final = 0.2

R = TypeVar("R")


class Mover(Protocol):
    """Moves cursors over reads without a result."""

    def moving(self) -> AbstractAsyncContextManager[Callable[[Move, bool], Awaitable[bool]]]:
        """A way to move a cursor, ready to be used; see the SQL function `move_line`."""


class Cursor:
    """See `following.step.Progress`."""

    def __init__(self, lease: Lease, cursor: str, position: int, mover: Mover) -> None:
        self.lease = lease
        self.cursor = cursor
        self.position = position
        """Durable, or on disk within a second."""
        self.processed = position
        """The position up to which everything is processed."""
        self.head = position
        self.commits = 0
        self._mover = mover
        self._moved = asyncio.Event()
        self._writing = asyncio.Lock()

    async def commit(self, position: int, write: Callable[[Move], Awaitable[R]]) -> R:
        """See `following.step.Progress`."""
        async with self._writing:
            result = await write(self._move_to(position))
            if result is None or result is False:
                raise FencedError
            self.position = position
            self.processed = max(self.processed, position)
            self.commits += 1
        return result

    def passed(self, position: int) -> None:
        """Everything up to `position` is processed; the cursor moves there within `IDLE_SECONDS`."""
        self.processed = max(self.processed, position)
        if self.processed > self.position:
            self._moved.set()

    async def jump(self, position: int) -> None:
        """Move to another position: over a gap, or back when the log has become shorter.

        Raises FencedError.
        """
        async with self._mover.moving() as move, self._writing:
            self.head = position
            await self._write(move, position, durable=True)
            self.processed = position

    async def move_idle(self) -> None:
        """Keep moving the cursor over reads without a result. Raises FencedError."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            await self.settle()
            await asyncio.sleep(IDLE_SECONDS)

    async def settle(self) -> None:
        """Move the cursor to where everything is processed. Raises FencedError."""
        # Take the connection first: a commit must not wait until one is free.
        async with self._mover.moving() as move, self._writing:
            # Reads that are processed meanwhile are not covered by this write.
            processed = self.processed
            if processed > self.position:
                await self._write(move, processed, durable=False)

    async def _write(self, move: Callable[[Move, bool], Awaitable[bool]], to: int, *, durable: bool) -> None:
        if not await move(self._move_to(to), durable):
            raise FencedError
        self.position = to

    def _move_to(self, position: int) -> Move:
        head = max(self.head, position)
        return Move(*self.lease.key, self.lease.epoch, self.cursor, self.position, position, head)
