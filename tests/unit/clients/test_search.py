"""SearchClient yields every read once, in order, also when the stream breaks between pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1.search_pb2 import SearchReadsRequest, SearchReadsResponse, StoredRead
from gantry.store.v1.search_pb2_grpc import SearchServiceServicer, add_SearchServiceServicer_to_server
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import Fault, InvalidInput, Unavailable
from clients.search import SearchClient
from tests.unit.clients.fake_server import refuse, serving

PURPOSE = Purpose(justification="looking for a stolen car")
AWAY = Unavailable("STOPPING", "the store is stopping")


class FakeSearch(SearchServiceServicer):
    """Holds reads with positions `reads` to 1; breaks each stream after so many pages as `breaks` says."""

    def __init__(self, reads: int, breaks: list[int], fault: Fault = AWAY) -> None:
        self.reads, self.breaks, self.fault = reads, breaks, fault
        self.requests: list[SearchReadsRequest] = []
        self.open = 0

    async def SearchReads(self, request: Any, context: Any) -> AsyncIterator[SearchReadsResponse]:
        self.requests.append(request)
        self.open += 1
        try:
            most_pages = self.breaks.pop(0) if self.breaks else None
            below, left = int(request.page_token or self.reads + 1), request.max_reads or self.reads
            while True:
                if most_pages == 0:
                    await refuse(context, self.fault)
                positions = range(below - 1, max(0, below - 1 - min(left, request.page_size)), -1)
                below, left = below - len(positions), left - len(positions)
                token = str(below) if below > 1 else ""
                yield SearchReadsResponse(
                    reads=[StoredRead(position=position) for position in positions], next_page_token=token
                )
                if not token or left == 0:
                    return
                most_pages = None if most_pages is None else most_pages - 1
        finally:
            self.open -= 1


async def found(store: FakeSearch, *, page_size: int, max_reads: int = 0) -> list[int]:
    async with serving(add_SearchServiceServicer_to_server, store) as (_, channel):
        reads = SearchClient(channel).search(
            ["essex"], "AB12CDE", PURPOSE, page_size=page_size, max_reads=max_reads
        )
        return [read.position async for read in reads]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 12), st.integers(1, 5), st.integers(0, 14), st.lists(st.integers(1, 3), max_size=2))
async def test_every_read_arrives_once_after_any_failure(
    reads: int, page_size: int, max_reads: int, breaks: list[int]
) -> None:
    expected = list(range(reads, 0, -1))[: max_reads or None]
    assert await found(FakeSearch(reads, breaks), page_size=page_size, max_reads=max_reads) == expected


async def test_a_resumed_search_asks_for_what_is_left() -> None:
    store = FakeSearch(9, [2])
    assert await found(store, page_size=2, max_reads=7) == [9, 8, 7, 6, 5, 4, 3]
    first, second = store.requests
    assert (first.page_token, first.max_reads) == ("", 7)
    assert (second.page_token, second.max_reads, second.purpose) == ("6", 3, PURPOSE)


async def test_a_store_that_is_unavailable_at_the_start_is_reported_at_once() -> None:
    with pytest.raises(Unavailable, match="STOPPING"):
        await found(FakeSearch(3, [0]), page_size=1)


async def test_a_fault_that_repeating_cannot_mend_is_raised() -> None:
    fault = InvalidInput("PAGE_TOKEN_INVALID", "of another query", field="page_token")
    with pytest.raises(InvalidInput, match="PAGE_TOKEN_INVALID"):
        await found(FakeSearch(5, [1], fault), page_size=1)


async def test_a_caller_that_stops_cancels_the_search() -> None:
    store = FakeSearch(1_000, [])
    async with serving(add_SearchServiceServicer_to_server, store) as (_, channel):
        reads = SearchClient(channel).search(["essex"], "AB12CDE", PURPOSE, page_size=1)
        async with aclosing(reads):
            assert (await anext(reads)).position == 1_000
        async with asyncio.timeout(5):
            while store.open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
