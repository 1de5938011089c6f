"""Backing off and giving up, with the clock in our hands."""

from suite.restarts import RestartPolicy


def test_waits_grow_to_a_bound() -> None:
    policy = RestartPolicy(limit=9, first=0.1, most=1.0, clock=lambda: 0.0)
    assert [policy.delay() for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_too_many_deaths_in_the_window_end_it() -> None:
    policy = RestartPolicy(limit=2, window=60.0, clock=lambda: 0.0)
    assert policy.delay() is not None
    assert policy.delay() is not None
    assert policy.delay() is None


def test_old_deaths_are_forgotten() -> None:
    now = [0.0]
    policy = RestartPolicy(limit=1, window=60.0, first=0.1, clock=lambda: now[0])
    assert policy.delay() == 0.1
    now[0] = 61.0
    assert policy.delay() == 0.1
