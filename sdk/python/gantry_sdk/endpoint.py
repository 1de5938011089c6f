"""The connection to a server, which is replaced when that server keeps failing: another one may be well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import grpc

FAILURES_BEFORE: Final = 2
"""So many attempts in a row without an acknowledgement; then the next one uses another connection."""

_LEAST_SECONDS: Final = 2.0
_REPLACED_SECONDS: Final = 3600.0
"""For the streams that go on over a replaced connection. The server ends each connection sooner."""


class Endpoint:
    """One connection at a time.

    A server that cannot store reads says so, and its connection stays open. Only a new connection finds
    another server behind the same address.
    """

    def __init__(
        self, open_one: Callable[[], grpc.aio.Channel], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`open_one` prepares a connection."""
        self.channel = open_one()
        self._open = open_one
        self._clock = clock
        self._made_at = clock()
        self._closing: set[asyncio.Task[None]] = set()

    def replace(self, failed: grpc.aio.Channel) -> None:
        """Connect anew, unless that was done since `failed` was in use, or within the last two seconds.

        Streams that work over the old connection go on.
        """
        if failed is not self.channel or self._clock() - self._made_at < _LEAST_SECONDS:
            return
        self.channel = self._open()
        self._made_at = self._clock()
        if self.channel is not failed:
            task = asyncio.get_running_loop().create_task(failed.close(_REPLACED_SECONDS))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self, seconds: float) -> None:
        """Close the connection. Calls under way have so many seconds."""
        for task in self._closing:
            task.cancel()
        await self.channel.close(seconds)
