"""The text under which an append keeps its traces."""

import pytest

from reads.traced import Traced, text_of, traced_in, traceparent_at

ONE, TWO = (f"00-{digit * 32}-{digit * 16}-01" for digit in "12")
BOTH = [Traced(ONE, 0, 3), Traced(TWO, 5, 9)]


@pytest.mark.parametrize("traced", [[], [Traced(ONE, 0, 9)], [Traced(ONE, 2, 3)], BOTH])
def test_what_was_put_in_comes_out(traced: list[Traced]) -> None:
    assert traced_in(text_of(traced, 10), 10) == traced


def test_one_trace_of_all_reads_is_kept_as_releases_before_keep_it() -> None:
    assert text_of([Traced(ONE, 0, 9)], 10) == ONE


def test_a_part_that_is_none_is_skipped() -> None:
    assert traced_in(f"x:1-2 {TWO}:5-9 {ONE}:1", 10) == [BOTH[1]]


def test_a_read_has_the_trace_of_its_batch_or_else_of_its_append() -> None:
    text = text_of(BOTH, 10)
    assert [traceparent_at(text, index) for index in (0, 3, 4, 5, 9)] == [ONE, ONE, ONE, TWO, TWO]
    assert traceparent_at("", 4) == ""
    assert traceparent_at(ONE, 4) == ONE


def test_indexes_and_positions() -> None:
    assert BOTH[1].shifted(100) == Traced(TWO, 105, 109)
    assert BOTH[1].has_any([4, 9])
    assert not BOTH[1].has_any([4, 10])
    assert not BOTH[1].has_any(range(5))
