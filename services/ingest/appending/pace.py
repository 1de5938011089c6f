"""The pace of large messages: while other forces send too, a force may send so many bytes of them a second.

Turns share the loop of one process. They cannot share the other costs of a message of pictures: its bytes
come in, and go through every process behind the door, in slices that nothing interrupts. So a large message
is paced before it is read, and HTTP/2's flow control slows the vendor down.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

FREE_BYTES: Final = 64 * 1024
"""Messages of at most so many bytes are not paced."""
_OTHERS_SECONDS: Final = 2.0


class Pace:
    """The pace of all forces at one door. Only used from one event loop."""

    def __init__(self, bytes_a_second: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`bytes_a_second` 0: no limit."""
        self._rate = bytes_a_second
        self._monotonic = monotonic
        self._sent_at: dict[str, float] = {}
        self._free_at: dict[str, float] = {}

    def seconds(self, force: str) -> float:
        """For how long the next large message of a force has to wait; 0 while no other force sends."""
        now = self._monotonic()
        left = self._free_at.get(force, 0.0) - now
        if left <= 0.0 or not self._others_send(force, now):
            return 0.0
        return left

    def count(self, force: str, size: int) -> None:
        """Count a message of a force that is read, or that is about to be read."""
        now = self._sent_at[force] = self._monotonic()
        if size > FREE_BYTES and self._rate:
            self._free_at[force] = max(now, self._free_at.get(force, 0.0)) + size / self._rate

    async def take(self, force: str, size: int) -> None:
        """Wait until a message of about `size` bytes may be read, and count it."""
        if size > FREE_BYTES:
            # Others may stop sending meanwhile, so a long wait is not slept through.
            while (seconds := self.seconds(force)) > 0.0:  # noqa: ASYNC110 - the clock ends it, not an event
                await asyncio.sleep(min(seconds, _OTHERS_SECONDS))
        self.count(force, size)

    def _others_send(self, force: str, now: float) -> bool:
        return any(
            now - sent_at < _OTHERS_SECONDS for other, sent_at in self._sent_at.items() if other != force
        )
