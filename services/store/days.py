"""Days of capture: UTC, counted from 1970-01-01 where they are numbers."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

US_A_DAY: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1)


def day_of(captured_at_us: int) -> date:
    """The day of a time."""
    return date_of(captured_at_us // US_A_DAY)


def date_of(number: int) -> date:
    """The day with a number."""
    return _EPOCH + timedelta(days=number)


def start_of(day: date) -> int:
    """When a day begins, in microseconds."""
    return (day - _EPOCH).days * US_A_DAY


def first_open_day(now_us: int, retention_days: int) -> date:
    """The oldest day that is still kept: a day is deleted `retention_days` after its end."""
    return date_of(now_us // US_A_DAY - retention_days)
