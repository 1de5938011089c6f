"""Appends look for repeats only for a time after one was found, and longer where repeats go on."""

from __future__ import annotations

from services.store.log.repeats import Repeats

MINUTE_US = 60_000_000


def test_a_repeat_is_looked_for_a_while_and_longer_each_time() -> None:
    clock = [MINUTE_US]
    repeats = Repeats(lambda: clock[0])
    assert not repeats.expected
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
        repeats.found()
        clock[0] += minutes * MINUTE_US - 1
        assert repeats.expected
        clock[0] += 1
        assert not repeats.expected
    clock[0] += 61 * MINUTE_US
    repeats.found()
    clock[0] += MINUTE_US
    assert not repeats.expected
