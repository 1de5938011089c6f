"""A cursor counts as durable only where a write has carried it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from following import DesiredState, FencedError, Lease, Move
from following.cursor import Cursor

LEASE = Lease("essex", "match", 7, DesiredState.LIVE)


class Mover:
    """Takes moves, each when it is let through."""

    def __init__(self) -> None:
        self.moves: asyncio.Queue[Move] = asyncio.Queue()
        self.through = asyncio.Semaphore(0)
        self.fenced = False

    @asynccontextmanager
    async def moving(self) -> AsyncIterator[Callable[[Move, bool], Awaitable[bool]]]:
        async def move(where: Move, durable: bool) -> bool:
            await self.moves.put(where)
            await self.through.acquire()
            return not self.fenced

        yield move


def to(old: int, new: int) -> Move:
    return Move("essex", "match", 7, "main", old, new, max(new, 20))


async def test_reads_processed_during_a_write_are_not_made_durable_by_it() -> None:
    mover = Mover()
    cursor = Cursor(LEASE, "main", 3, mover)
    cursor.head = 20
    moving = asyncio.create_task(cursor.move_idle())
    cursor.passed(5)
    assert await mover.moves.get() == to(3, 5)
    cursor.passed(9)
    assert cursor.position == 3
    mover.through.release()
    assert await mover.moves.get() == to(5, 9)
    assert cursor.position == 5
    mover.through.release()
    await cursor.settle()
    assert cursor.position == 9
    moving.cancel()


async def test_a_commit_waits_for_the_move_before_it_and_begins_where_that_ended() -> None:
    mover = Mover()
    cursor = Cursor(LEASE, "main", 3, mover)
    cursor.head = 20
    moving = asyncio.create_task(cursor.move_idle())
    cursor.passed(5)
    await mover.moves.get()
    committed: list[Move] = []

    async def write(move: Move) -> list[int]:
        committed.append(move)
        return []

    committing = asyncio.create_task(cursor.commit(8, write))
    await asyncio.sleep(0)
    assert committed == []
    mover.through.release()
    assert await committing == []
    assert committed == [to(5, 8)]
    cursor.passed(8)
    await asyncio.sleep(0.3)
    assert mover.moves.empty(), "there is nothing left to move over"
    moving.cancel()


@pytest.mark.parametrize("answer", [None, False])
async def test_a_refused_commit_moves_nothing(answer: object) -> None:
    async def write(move: Move) -> object:
        return answer

    cursor = Cursor(LEASE, "main", 3, Mover())
    with pytest.raises(FencedError):
        await cursor.commit(5, write)
    assert (cursor.position, cursor.commits) == (3, 0)


async def test_a_refused_move_is_reported() -> None:
    mover = Mover()
    mover.fenced = True
    mover.through.release()
    cursor = Cursor(LEASE, "main", 3, mover)
    cursor.passed(5)
    with pytest.raises(FencedError):
        await cursor.move_idle()


async def test_a_jump_goes_back_as_well() -> None:
    mover = Mover()
    mover.through.release()
    cursor = Cursor(LEASE, "main", 9, mover)
    cursor.head = 20
    await cursor.jump(4)
    assert await mover.moves.get() == Move("essex", "match", 7, "main", 9, 4, 4)
    assert (cursor.position, cursor.processed) == (4, 4)
