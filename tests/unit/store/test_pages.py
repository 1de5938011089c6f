"""A page token goes on where it says, for its query alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from services.store.pages import page_size, page_token, place_of

numbers = st.integers(-(2**63), 2**63 - 1)


@given(st.text(), st.tuples(numbers, numbers))
def test_a_token_gives_back_its_place(query: str, place: tuple[int, int]) -> None:
    assert place_of(page_token(query, place), query, 2) == place


def test_the_first_page_has_no_place() -> None:
    assert place_of("", "query", 3) is None


@pytest.mark.parametrize(
    "token",
    ["x", "é", page_token("other", (1, 2)), page_token("query", (1,)), page_token("query", (1, 2))[4:]],
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="PAGE_TOKEN_INVALID"):
        place_of(token, "query", 2)


def test_page_sizes() -> None:
    assert (page_size(0), page_size(7), page_size(1_000)) == (100, 7, 1_000)
    with pytest.raises(InvalidInput, match="PAGE_SIZE_INVALID"):
        page_size(1_001)
