"""After a restore from a backup: opens search when everything past its time is deleted again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from chassis.restoration import Restoration
from services.store.days import start_of
from services.store.retention.overdue import LATE_STAY_US
from services.store.retention.purging import Retention
from services.store.retention.records import RetentionRecords

Record = Callable[[str, str], Awaitable[object]]
"""Takes a force, and what was restored."""

_log = logging.getLogger(__name__)


class Reopening:
    """Runs retention until nothing is left that is past its time, and then finishes the restore.

    A restored day may hold reads that a consumer has to process again. Retention waits for it as always, and
    search stays closed meanwhile.
    """

    def __init__(
        self, restoration: Restoration, retention: Retention, records: RetentionRecords, record: Record
    ) -> None:
        """`record` writes what was restored to the audit trail of a force."""
        self._restoration = restoration
        self._retention = retention
        self._records = records
        self._record = record
        self._told: tuple[str, ...] = ()

    async def attempt(self) -> None:
        """Delete what is due, and open when nothing is left of it."""
        subject = await self._restoration.subject()
        if subject is None:
            return
        await self._retention.run_once()
        forces = await self._records.forces()
        waiting = tuple([force for force in forces if await self._holds_overdue(force)])
        if waiting:
            self._tell(waiting)
            return
        for force in forces:
            await self._record(force, subject)
        await self._restoration.finish()

    async def _holds_overdue(self, force: str) -> bool:
        """Whether reads are left that are past their time, whatever they wait for."""
        first_open, now_us = self._retention.first_open(), self._retention.now_us()
        if any(day < first_open for day in await self._records.days(force)):
            return True
        late = await self._records.late(force, start_of(first_open), 1)
        return bool(late) and late[0][1] <= now_us - LATE_STAY_US

    def _tell(self, waiting: tuple[str, ...]) -> None:
        if waiting != self._told:
            _log.warning(
                "search stays closed: restored reads past their time wait for a consumer",
                extra={"forces": list(waiting)},
            )
        self._told = waiting
