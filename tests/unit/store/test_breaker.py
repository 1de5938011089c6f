"""The breaker: open for a back-off after a failure, closed again after a success."""

from __future__ import annotations

import pytest

from chassis.backoff import Backoff
from chassis.errors import Unavailable
from services.store.log.breaker import Breaker


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_each_failure_opens_it_for_longer_until_a_success() -> None:
    watch = Watch()
    breaker = Breaker(Backoff(1.0, 8.0, random=lambda _, most: most), watch)
    fault = Unavailable("DATABASE_UNAVAILABLE", "away")
    assert breaker.is_closed
    assert breaker.refusal() is None
    for seconds in (1.0, 2.0, 4.0, 8.0, 8.0):
        breaker.failed(fault)
        refusal = breaker.refusal()
        assert refusal is not None
        assert (refusal.reason, refusal.status) == (fault.reason, fault.status)
        assert refusal.retry_after == pytest.approx(seconds)
        watch.seconds += seconds
        assert breaker.refusal() is None
        assert not breaker.is_closed
    breaker.succeeded()
    assert breaker.is_closed
    breaker.failed(fault)
    watch.seconds += 1.0
    assert breaker.refusal() is None
