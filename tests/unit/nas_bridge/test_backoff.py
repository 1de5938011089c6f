"""Waits: jittered, doubling, bounded, and the other side is asked."""

from services.nas_bridge.backoff import Backoff


def test_waits_stay_within_a_doubling_reach() -> None:
    for _ in range(200):
        backoff = Backoff(0.5, 30)
        waits = [backoff.next_wait() for _ in range(10)]
        assert all(0 <= wait <= min(30, 0.5 * 2**number) for number, wait in enumerate(waits))


def test_many_failures_do_not_overflow() -> None:
    assert Backoff(0.5, 30, failures=10_000).next_wait() <= 30


def test_the_other_sides_wish_is_a_least_up_to_the_most() -> None:
    assert 2 <= Backoff(0.5, 30).next_wait(2) <= 2.5
    assert Backoff(0.5, 30).next_wait(9_999) == 30


def test_success_begins_again() -> None:
    backoff = Backoff(0.5, 30, failures=8)
    backoff.succeeded()
    assert backoff.next_wait() <= 0.5
