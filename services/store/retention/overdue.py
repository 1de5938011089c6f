"""Days past their time that wait for a consumer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from services.store.days import US_A_DAY, first_open_day, start_of
from services.store.retention.records import RetentionRecords

LATE_STAY_US: Final = US_A_DAY
"""How long a read is kept that arrives when its day is over."""


async def overdue_days(
    records: RetentionRecords, force: str, days: Sequence[date], first_open: date
) -> list[date]:
    """Those of the `days` that are over age and hold reads which a consumer lacks."""
    over_age = [day for day in days if day < first_open]
    cursor = await records.least_cursor(force) if over_age else 0
    return [day for day in over_age if await records.reaches_past(force, day, cursor)]


async def overdue_count(records: RetentionRecords, force: str, now_us: int, retention_days: int) -> int:
    """How many days wait for a consumer; late reads past their time count as one."""
    first_open = first_open_day(now_us, retention_days)
    days = await records.days(force)
    waiting = len(await overdue_days(records, force, days, first_open))
    before_us = start_of(min(first_open, days[0]) if days else first_open)
    late = await records.late(force, before_us, 1)
    if late and late[0][1] <= now_us - LATE_STAY_US:
        waiting += late[0][0] > await records.least_cursor(force)
    return waiting
