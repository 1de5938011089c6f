"""One back-off: full jitter on top of what the far side asks for."""

from __future__ import annotations

import pytest

from chassis.backoff import Backoff


def _longest(_low: float, high: float) -> float:
    return high


def test_the_wait_doubles_up_to_the_most_and_begins_again_after_a_success():
    backoff = Backoff(0.1, 2.0, random=_longest)
    assert [backoff.next_wait() for _ in range(7)] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    backoff.succeeded()
    assert backoff.next_wait() == 0.1


def test_the_jitter_covers_the_whole_range():
    drawn = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    backoff = Backoff(1.0, 8.0, random=draw)
    assert [backoff.next_wait() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert drawn == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0)]


def test_the_far_sides_wish_is_the_least_wait():
    assert Backoff(0.5, 4.0, random=_longest).next_wait(1.0) == 1.5


@pytest.mark.parametrize(("asked", "wait"), [(3.9, 4.0), (4.0, 4.0), (60.0, 60.0)])
def test_a_wish_is_honoured_and_jitter_never_exceeds_the_most(asked: float, wait: float):
    assert Backoff(1.0, 4.0, random=_longest).next_wait(asked) == wait


def test_thousands_of_failures_do_not_overflow():
    backoff = Backoff(0.1, 5.0, random=_longest)
    assert [backoff.next_wait() for _ in range(5_000)][-1] == 5.0
