"""Take together what came while the last was worked on: one commit for all alerts that wait, however many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from gantry.store.v1.store_pb2 import TailReadsResponse

# Few of them live, and large ones only when there is something to catch up with.
MOST_WAITING: Final = 16
# A larger list would keep the loop from the alerts of other forces for too long.
MOST_READS: Final = 5_000


class _Waiting:
    """What has come from the tail; None is its end."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[TailReadsResponse | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(MOST_WAITING)

    async def read(self, tail: AsyncGenerator[TailReadsResponse, None]) -> None:
        """Put in what `tail` brings, while there is room."""
        try:
            async with aclosing(tail):
                async for response in tail:
                    await self._room.acquire()
                    self._queue.put_nowait(response)
        finally:
            # Without waiting for room: whoever takes may have gone.
            self._queue.put_nowait(None)

    async def take(self) -> list[TailReadsResponse]:
        """All that waits, at least one; nothing at the end."""
        found: list[TailReadsResponse] = []
        reads = 0
        response = await self._queue.get()
        while response is not None:
            self._room.release()
            found.append(response)
            reads += sum(len(batch.positions) for batch in response.batches)
            if reads >= MOST_READS or self._queue.empty():
                return found
            response = self._queue.get_nowait()
        if found:
            # The end is for the next time.
            self._queue.put_nowait(None)
        return found


async def gathered(
    tail: AsyncGenerator[TailReadsResponse, None],
) -> AsyncGenerator[list[TailReadsResponse], None]:
    """Lists of what `tail` has brought, in order, each with at least one. Ends and fails as `tail` does."""
    waiting = _Waiting()
    reading = asyncio.create_task(waiting.read(tail), name="read the tail")
    try:
        while responses := await waiting.take():
            yield responses
        await reading
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()  # seen: it was raised above, or whoever left had a reason of their own
