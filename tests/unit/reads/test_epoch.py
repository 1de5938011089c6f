"""Microseconds, datetimes and timestamps are the same time."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from reads.epoch import EPOCH, microseconds, moment, timestamp

US = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)


@given(US)
def test_a_time_survives_every_form(us):
    assert microseconds(moment(us)) == us
    assert timestamp(us).ToMicroseconds() == us
    assert timestamp(moment(us)) == timestamp(us)


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)))  # noqa: DTZ001
def test_a_time_zone_changes_nothing(naive):
    at = naive.replace(tzinfo=UTC)
    assert microseconds(at.astimezone(timezone(timedelta(hours=5, minutes=30)))) == microseconds(at)


def test_the_epoch_is_zero():
    assert moment(0) == EPOCH
    assert microseconds(EPOCH) == 0
