"""The cursor counts as durable only where a write has carried it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from gantry.store.v1.store_pb2 import TailReadsResponse

from services.match.index import Index
from services.match.matcher import Matcher
from services.match.ports import utc_now
from services.match.postgres import Cursor, Move


class Log:
    """A log without reads, whose position is moved by hand."""

    def __init__(self) -> None:
        self.positions: asyncio.Queue[int] = asyncio.Queue()
        self.reported: asyncio.Queue[int] = asyncio.Queue()

    async def follow(self, force: str, after: int | None) -> AsyncGenerator[TailReadsResponse, None]:
        while True:
            position = await self.positions.get()
            yield TailReadsResponse(position=position, head=position)
            self.positions.task_done()

    async def report(self, force: str, position: int) -> None:
        await self.reported.put(position)


class Writes:
    """Takes moves of the cursor, each when it is let through."""

    def __init__(self) -> None:
        self.moves: asyncio.Queue[Move] = asyncio.Queue()
        self.through = asyncio.Semaphore(0)

    async def move(self, step: Move) -> None:
        await self.moves.put(step)
        await self.through.acquire()


async def test_what_is_matched_during_a_write_is_not_made_durable_by_it():
    log, writes = Log(), Writes()
    matcher = Matcher("essex", Cursor(0, 1), Index(1, ()), log=log, raising=writes, feed=None, clock=utc_now)
    loops = [asyncio.create_task(loop) for loop in (matcher.match(), matcher.write_idle(), matcher.report())]
    async with asyncio.timeout(60):
        assert await log.reported.get() == 0
        log.positions.put_nowait(5)
        assert (await writes.moves.get()) == Move(Cursor(0, 1), 5, 5)
        log.positions.put_nowait(9)
        await log.positions.join()
        writes.through.release()
        assert (await writes.moves.get()) == Move(Cursor(5, 1), 9, 9)
        assert await log.reported.get() == 5
        writes.through.release()
        assert await log.reported.get() == 9
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
