"""Pages of a search: every read once, in order, as many as were asked for."""

from __future__ import annotations

from collections.abc import Sequence

from gantry.store.v1.search_pb2 import StoredRead
from hypothesis import given
from hypothesis import strategies as st

from services.store.search.find import TOP, Found, ImagePlace, Place, PlateQuery, pages

QUERY = PlateQuery(("essex",), "AB12CDE", 0, 100)


class FakeReads:
    """Reads at places, newest first; counts the requested rows."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = sorted(places, reverse=True)
        self.asked: list[int] = []

    async def search(self, query: PlateQuery, below: Place, rows: int) -> Sequence[Found]:
        self.asked.append(rows)
        found = [place for place in self.places if place < below][:rows]
        return [Found(StoredRead(position=place[2]), place, ImagePlace("", 0, 0, 0)) for place in found]

    async def at(self, force: str, position: int) -> Found | None:
        raise NotImplementedError

    async def named(self, force: str, read_id: str) -> Found | None:
        raise NotImplementedError


PLACES = st.sets(st.tuples(st.integers(0, 3), st.integers(1, 2), st.integers(1, 9)), max_size=30)


@given(PLACES, st.integers(1, 7), st.integers(0, 20))
async def test_pages_hold_every_read_once_in_order(places: set[Place], rows: int, most: int) -> None:
    reads = FakeReads([*places])
    answered = [page async for page in pages(reads, QUERY, TOP, rows, most)]
    shown = [each.place for page in answered for each in page.found]
    assert shown == reads.places[: most or None]
    assert [page.more for page in answered[:-1]] == [True] * (len(answered) - 1)
    assert answered[-1].more == (len(shown) < len(places))
    assert all(0 < len(page.found) <= rows for page in answered if places)
    assert max(reads.asked) <= rows + 1


@given(PLACES, st.integers(1, 7), st.integers(0, 5))
async def test_a_search_goes_on_after_any_page(places: set[Place], rows: int, taken: int) -> None:
    reads = FakeReads([*places])
    shown: list[Place] = []
    below, more = TOP, True
    async for page in pages(reads, QUERY, TOP, rows, 0):
        shown += [each.place for each in page.found]
        below, more = (shown or [TOP])[-1], page.more
        if (taken := taken - 1) < 0:
            break
    if more:
        shown += [each.place async for page in pages(reads, QUERY, below, rows, 0) for each in page.found]
    assert shown == reads.places
