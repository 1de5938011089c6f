"""Retention: a day's reads are deleted when they are past their time and every consumer has processed them.

A certificate is committed with the deletion of the rows; images follow. After a crash the next run finishes
the work: open purges, and objects of days without rows.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Final

from chassis.loops import raise_if_cancelled, repeat
from chassis.metrics import counter
from chassis.telemetry import tracer
from chassis.transient import is_transient
from services.store.days import US_A_DAY, first_open_day, start_of
from services.store.each_force import for_each_force
from services.store.images.objects import ImageStore, made_at_us
from services.store.names import MetricName, SpanName
from services.store.retention.overdue import LATE_STAY_US
from services.store.retention.records import PurgeTotals, RetentionRecords, Times

_NO_END: Final = 2**63 - 1
_LATE_AT_ONCE: Final = 20_000
_SETTLING_US: Final = 5 * 60 * 1_000_000
"""An object this young may belong to a commit under way."""
_SWEEP_US: Final = 3_600 * 1_000_000
_OLDER: Final = "older"

_log = logging.getLogger(__name__)
_purged = counter(MetricName.PURGED_READS)


class Retention:
    """Deletes the days that are due. A day of capture is due `retention_days` after its end."""

    def __init__(
        self, records: RetentionRecords, images: ImageStore, retention_days: int, now_us: Callable[[], int]
    ) -> None:
        self._records = records
        self._images = images
        self._retention_days = retention_days
        self._now = now_us
        self._overdue: dict[str, tuple[str, ...]] = {}
        self._swept_at_us = 0

    def now_us(self) -> int:
        """The time by which days are judged."""
        return self._now()

    def first_open(self) -> date:
        """The oldest day that is still kept."""
        return first_open_day(self._now(), self._retention_days)

    async def run(self, every_seconds: float) -> None:
        """Run without end. A run that fails is logged and repeated: a bug here must not stop appends."""
        await repeat(self._run_logged, name="retention", every=every_seconds)

    async def _run_logged(self) -> None:
        try:
            await self.run_once()
        except Exception as error:
            raise_if_cancelled()
            if is_transient(error):
                raise
            _log.exception("retention met a bug; the next run starts from what is there")

    async def run_once(self) -> None:
        """Delete the days that are due now, unless another replica does."""
        async with self._records.leading() as leading:
            if not leading:
                return
            if stuck := await self._records.end_stuck_sessions():
                _log.warning("ended sessions whose client took no answer", extra={"sessions": stuck})
            sweep = self._now() - self._swept_at_us >= _SWEEP_US
            await for_each_force(await self._records.forces(), partial(self._force, sweep=sweep))
            if sweep:
                self._swept_at_us = self._now()

    async def _force(self, force: str, *, sweep: bool) -> None:
        now_us = self._now()
        first_open = self.first_open()
        cursor = await self._records.least_cursor(force)
        over_age = [day for day in await self._records.days(force) if day < first_open]
        waiting = [
            day.isoformat() for day in over_age if not await self._purge_day(force, day, cursor, now_us)
        ]
        days = await self._records.days(force)
        before_us = start_of(min(first_open, days[0]) if days else first_open)
        if not await self._purge_late(force, before_us, cursor, now_us):
            waiting.append(_OLDER)
        self._tell_overdue(force, tuple(waiting))
        unfinished = await self._records.unfinished(force)
        if sweep or unfinished:
            await self._finish(force, [*unfinished], first_open, now_us)
            await self._records.forget_appends(force, before_us, now_us - LATE_STAY_US)

    async def _purge_day(self, force: str, day: date, cursor: int, now_us: int) -> bool:
        """Whether nothing of the day waits for a consumer any more."""
        if await self._records.reaches_past(force, day, cursor):
            return False
        times = Times(start_of(day), start_of(day) + US_A_DAY)
        with tracer().start_as_current_span(SpanName.PURGE):
            objects = len(await self._images.numbers(force, day))
            totals = await self._totals_of(force, times, _NO_END, objects)
            dropped = await self._records.drop_day(force, day, totals, now_us)
        if dropped and totals.reads:
            self._tell_purged(force, day.isoformat(), totals)
        return dropped

    async def _purge_late(self, force: str, before_us: int, cursor: int, now_us: int) -> bool:
        """Whether no late read that is past its time waits for a consumer."""
        times = Times(0, before_us)
        while True:
            up_to = await self._stayed(force, before_us, now_us)
            if not up_to:
                return True
            if min(up_to, cursor) < (await self._records.late(force, before_us, 1))[0][0]:
                return False
            up_to = min(up_to, cursor)
            objects = len(await self._records.illustrated(force, times, up_to))
            totals = await self._totals_of(force, times, up_to, objects)
            if not await self._records.delete_older(force, before_us, totals, now_us):
                return False
            self._tell_purged(force, _OLDER, totals)

    async def _stayed(self, force: str, before_us: int, now_us: int) -> int:
        """The position up to which late reads are past their time; 0 when the first one is not."""
        first = await self._records.late(force, before_us, 1)
        if not first or first[0][1] > now_us - LATE_STAY_US:
            return 0
        up_to = 0
        for position, received_at_us in await self._records.late(force, before_us, _LATE_AT_ONCE):
            if received_at_us > now_us - LATE_STAY_US:
                break
            up_to = position
        return up_to

    async def _totals_of(self, force: str, times: Times, up_to: int, image_objects: int) -> PurgeTotals:
        digest = hashlib.sha256()
        reads = last_position = 0
        async for part in self._records.identities(force, times, up_to):
            digest.update(part.text.encode())
            reads += part.reads
            last_position = max(last_position, part.last_position)
        return PurgeTotals(last_position, reads, image_objects, digest.digest())

    async def _finish(self, force: str, unfinished: Sequence[int], first_open: date, now_us: int) -> None:
        """Delete the objects that no read refers to any more; purges are finished when none is left."""
        with_rows = frozenset(await self._records.days(force))
        finished = True
        for day in await self._images.days(force):
            if day < first_open and day not in with_rows:
                finished &= await self._sweep(force, day, now_us)
        if finished:
            for purge_no in unfinished:
                await self._records.finish(force, purge_no, now_us)

    async def _sweep(self, force: str, day: date, now_us: int) -> bool:
        """Whether the day has only objects left that late reads refer to."""
        listed = await self._images.numbers(force, day)
        times = Times(start_of(day), start_of(day) + US_A_DAY)
        referred = {number for _, number in await self._records.illustrated(force, times, _NO_END)}
        unused = [number for number in listed if number not in referred]
        settled = [number for number in unused if made_at_us(number) < now_us - _SETTLING_US]
        await self._images.delete(force, day, settled)
        if len(settled) == len(listed):
            await self._images.forget_day(force, day)
        return len(settled) == len(unused)

    def _tell_purged(self, force: str, day: str, totals: PurgeTotals) -> None:
        _purged.add(totals.reads, {"force": force})
        _log.info(
            "purged",
            extra={"force": force, "day": day, "reads": totals.reads, "image_objects": totals.image_objects},
        )

    def _tell_overdue(self, force: str, waiting: tuple[str, ...]) -> None:
        if waiting and waiting != self._overdue.get(force):
            _log.error("days are over age and wait for a consumer", extra={"force": force, "days": waiting})
        self._overdue[force] = waiting
