"""A resume token names a place in one force's events, and nothing else passes for one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from services.match.places import Place, place_of

NUMBERS = st.integers(0, 2**63 - 1)


@settings(deadline=None)
@given(st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_a_token_gives_back_its_place(numbers):
    start, number, last = sorted(numbers)
    place = Place(number, start, last)
    assert place_of(place.token("essex"), "essex", last) == place


@pytest.mark.parametrize(
    "token",
    ["", "x", "!!!", "AAAA", Place(3, 3, 3).token("kent"), Place(3, 3, 3).token("essex")[:-4] + "AAAA", "é"],
)
def test_another_text_is_refused(token):
    with pytest.raises(InvalidInput) as caught:
        place_of(token, "essex", 10)
    assert caught.value.reason == "RESUME_TOKEN_INVALID"


def test_a_token_from_beyond_the_end_is_refused():
    with pytest.raises(InvalidInput):
        place_of(Place(11, 0, 0).token("essex"), "essex", 10)


def test_a_subscription_that_had_caught_up_begins_anew():
    assert Place(7, 2, 7).resumed(9) == Place(7, 7, 9)
    assert Place(6, 2, 7).resumed(9) == Place(6, 2, 7)
