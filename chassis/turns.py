"""Turns of one event loop: work of several forces takes turns by force, and by feed within a force.

A single process serves all forces on one processor, so the processor is what they share. Work takes a turn
before each slice. Nobody waits while a force stays within its share of a round; a round is one iteration of
the loop, so that what has arrived for other forces comes in between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

QUANTUM: Final = 64 * 1024
"""What a force may cost in a round, in bytes. A larger slice is paid off in later rounds."""


@dataclass(slots=True)
class _Queue:
    """What waits for turns of one force: the feeds in the order in which they are served."""

    feeds: dict[object, deque[tuple[int, asyncio.Future[None]]]] = field(default_factory=dict)

    def put(self, feed: object, cost: int, turn: asyncio.Future[None]) -> None:
        self.feeds.setdefault(feed, deque()).append((cost, turn))

    def next(self) -> tuple[int, asyncio.Future[None]]:
        feed, waiting = next(iter(self.feeds.items()))
        taken = waiting.popleft()
        # Behind the other feeds.
        del self.feeds[feed]
        if waiting:
            self.feeds[feed] = waiting
        return taken


class Turns:
    """Deficit round robin. Only used from one event loop."""

    def __init__(self, quantum: int = QUANTUM) -> None:
        self._quantum = quantum
        self._left: dict[str, int] = {}
        self._queues: dict[str, _Queue] = {}
        self._round_is_due = False

    def try_take(self, force: str, cost: int) -> bool:
        """Take a turn at once, if the force has one left in this round."""
        left = self._left.get(force, self._quantum)
        if left <= 0 or force in self._queues:
            return False
        self._left[force] = left - cost
        self._expect_round()
        return True

    async def take(self, force: str, feed: object, cost: int) -> None:
        """Wait for a turn of the force, and of the feed within it."""
        if self.try_take(force, cost):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(force, _Queue()).put(feed, cost, turn)
        self._expect_round()
        await turn

    def _expect_round(self) -> None:
        if not self._round_is_due:
            self._round_is_due = True
            asyncio.get_running_loop().call_soon(self._round)

    def _round(self) -> None:
        self._round_is_due = False
        # A force for which nothing waits keeps neither debt nor credit.
        self._left = {force: self._left.get(force, 0) for force in self._queues}
        if not self._left:
            return
        self._refill()
        for force in list(self._queues):
            self._serve(force)
        # The forces that have been served begin the next round last.
        self._expect_round()

    def _refill(self) -> None:
        """As many rounds as it takes until a force may go on: nobody else uses the processor meanwhile."""
        rounds = max(1, min(-left // self._quantum + 1 for left in self._left.values()))
        for force, left in self._left.items():
            self._left[force] = min(self._quantum, left + rounds * self._quantum)

    def _serve(self, force: str) -> None:
        queue = self._queues[force]
        while self._left[force] > 0 and queue.feeds:
            cost, turn = queue.next()
            if not turn.done():
                self._left[force] -= cost
                turn.set_result(None)
        if not queue.feeds:
            del self._queues[force]
