"""When the line stops: many refusals in a row, or too large a part."""

import pytest

from services.nas_bridge.forwarding.refusals import RefusalLimits, RefusalWatch

LIMITS = RefusalLimits(in_a_row=100, percent=50)


@pytest.fixture
def watch() -> RefusalWatch:
    return RefusalWatch(LIMITS)


def test_scattered_refusals_are_no_fault(watch: RefusalWatch) -> None:
    for _ in range(20):
        assert watch.excess(1_000, range(0, 1_000, 3)) == ""
        watch.count(1_000, range(0, 1_000, 3))


def test_a_hundred_in_a_row_pass_and_one_more_stops(watch: RefusalWatch) -> None:
    assert watch.excess(500, range(200, 300)) == ""
    assert "more than 100 reads in a row" in watch.excess(500, range(200, 301))


def test_a_row_goes_on_over_deliveries(watch: RefusalWatch) -> None:
    watch.count(60, range(60))
    watch.count(40, range(40))
    assert "in a row" in watch.excess(1, [0])
    assert watch.excess(2, [1]) == ""


def test_one_taken_read_ends_a_row(watch: RefusalWatch) -> None:
    watch.count(100, range(100))
    watch.count(1, [])
    assert watch.excess(100, range(100)) == ""


def test_a_judged_delivery_does_not_count_until_it_is_written_down(watch: RefusalWatch) -> None:
    for _ in range(5):
        assert watch.excess(60, range(60)) == ""


def test_a_large_part_stops_the_line_once_there_is_enough_to_judge(watch: RefusalWatch) -> None:
    mostly = [index for index in range(999) if index % 5]
    assert watch.excess(999, mostly) == ""
    watch.count(999, mostly)
    assert "more than 50 %" in watch.excess(5, [0, 1, 2, 4])


def test_old_refusals_are_forgotten(watch: RefusalWatch) -> None:
    watch.count(1_000, range(0, 1_000, 2))
    assert watch.excess(10, range(1, 10, 2)) == ""
    assert watch.excess(10, range(9)) == ""
