"""Delete receipts and dead letters that are over age."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from chassis.database_faults import database_fault
from chassis.errors import Fault

_EVERY_SECONDS: Final = 3600.0

_log = logging.getLogger(__name__)


class OldRecords(Protocol):
    """Where old records are."""

    async def delete_old(self, force: str, receipts_before: datetime, dead_letters_before: datetime) -> None:
        """Delete what is over age."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Housekeeping:
    """Ages in days; `now` is the clock."""

    records: OldRecords
    forces: Sequence[str]
    receipt_days: float
    dead_letter_days: float
    now: Callable[[], datetime] = _now

    async def run(self) -> None:
        """Tidy every hour, for ever; a database that is away is met again an hour later."""
        while True:
            try:
                await self.tidy()
            except Exception as error:
                if not isinstance(error, (Fault, OSError)) and database_fault(error) is None:
                    raise
                _log.warning("old receipts stay for now", extra={"cause": type(error).__name__})
            await asyncio.sleep(_EVERY_SECONDS)

    async def tidy(self) -> None:
        """Delete what is over age now."""
        now = self.now()
        receipts = now - timedelta(days=self.receipt_days)
        dead_letters = now - timedelta(days=self.dead_letter_days)
        for force in self.forces:
            await self.records.delete_old(force, receipts, dead_letters)
