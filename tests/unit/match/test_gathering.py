"""What waits is taken together, in order, and ends as the tail does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from gantry.store.v1.store_pb2 import ReadBatch, TailReadsResponse

from services.match.gathering import MOST_WAITING, gathered


class Tail:
    """Gives what is put into it; an exception or None ends it."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[TailReadsResponse | Exception | None] = asyncio.Queue()
        self.given = 0
        self.closed = False

    def bring(self, *positions: int, reads: int = 0) -> None:
        for position in positions:
            batches = [ReadBatch(positions=range(reads))] if reads else []
            self.coming.put_nowait(TailReadsResponse(position=position, batches=batches))

    async def follow(self) -> AsyncGenerator[TailReadsResponse, None]:
        try:
            while (response := await self.coming.get()) is not None:
                if isinstance(response, Exception):
                    raise response
                self.given += 1
                yield response
        finally:
            self.closed = True


async def settled(tail: Tail) -> None:
    """Until the tail has been asked as often as it will be."""
    before = -1
    while before != tail.given:
        before = tail.given
        for _ in range(10):
            await asyncio.sleep(0)


def positions(responses: list[TailReadsResponse]) -> list[int]:
    return [response.position for response in responses]


async def test_what_came_meanwhile_is_taken_together_and_in_order():
    tail = Tail()
    async with asyncio.timeout(10), aclosing(gathered(tail.follow())) as lists:
        tail.bring(1)
        assert positions(await anext(lists)) == [1]
        tail.bring(2, 3, 4)
        await settled(tail)
        assert positions(await anext(lists)) == [2, 3, 4]
        tail.bring(5)
        assert positions(await anext(lists)) == [5]
    assert tail.closed


async def test_no_more_than_a_few_wait_and_no_list_has_too_many_reads():
    tail = Tail()
    async with asyncio.timeout(10), aclosing(gathered(tail.follow())) as lists:
        tail.bring(*range(60), reads=2_000)
        found = [await anext(lists)]
        await settled(tail)
        assert tail.given <= len(found[0]) + MOST_WAITING + 1
        while sum(map(len, found)) < 60:
            found.append(await anext(lists))
    assert [each for responses in found for each in positions(responses)] == list(range(60))
    assert max(map(len, found)) == 3


@pytest.mark.parametrize("waiting", [0, 2, MOST_WAITING + 5])
async def test_it_ends_after_the_last_of_the_tail(waiting: int):
    tail = Tail()
    tail.bring(*range(waiting))
    tail.coming.put_nowait(None)
    async with asyncio.timeout(10), aclosing(gathered(tail.follow())) as lists:
        assert [each async for responses in lists for each in positions(responses)] == list(range(waiting))


async def test_it_fails_after_the_last_of_the_tail():
    tail, found = Tail(), []
    tail.bring(1, 2)
    tail.coming.put_nowait(KeyError("broken"))

    async def follow() -> None:
        async with asyncio.timeout(10), aclosing(gathered(tail.follow())) as lists:
            async for responses in lists:
                found.extend(positions(responses))

    with pytest.raises(KeyError):
        await follow()
    assert found == [1, 2]


async def test_leaving_closes_the_tail_even_when_it_waits_for_room():
    tail = Tail()
    async with asyncio.timeout(10), aclosing(gathered(tail.follow())) as lists:
        tail.bring(*range(MOST_WAITING * 3))
        await anext(lists)
        await settled(tail)
    assert tail.closed
