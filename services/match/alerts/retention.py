"""Deletes alerts when their time is over: they hold copies of reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol

from chassis.loops import repeat
from chassis.metrics import counter
from reads.canary import canary_sequence
from services.match.alerts.ports import OldAlerts
from services.match.clock import Clock
from services.match.names import MetricName

EVERY_SECONDS: Final = 600.0
# Each portion locks the force's sequence for some milliseconds. A new alert may wait for it.
PORTION: Final = 200
_PAUSE_SECONDS: Final = 0.05

_deleted = counter(MetricName.MATCH_DELETED_ALERTS)
_log = logging.getLogger(__name__)


class EventMemory(Protocol):
    """Events in memory; see `services.match.alerts.subscriptions.Subscriptions`."""

    def forget(self, force: str) -> None:
        """Drop a force's events, because the database has deleted some."""


class AlertRetention:
    """Deletes alerts `days` after they were raised. Every replica may: the portions exclude each other."""

    def __init__(
        self,
        alerts: OldAlerts,
        memory: EventMemory,
        forces: Callable[[], Iterable[str]],
        days: int,
        clock: Clock,
    ) -> None:
        self._alerts = alerts
        self._memory = memory
        self._forces = forces
        self._age = timedelta(days=days)
        self._clock = clock

    async def run(self) -> None:
        """Delete alerts that are due, every ten minutes."""
        await repeat(self.delete_due, name="retention of alerts", every=EVERY_SECONDS)

    async def delete_due(self) -> None:
        """Delete the alerts that are due now."""
        before = self._clock() - self._age
        for force in self._forces():
            await self._delete_of(force, before)
            async for _ in self._portions(canary_sequence(force), before):
                pass  # nothing counts canaries

    async def _delete_of(self, force: str, before: datetime) -> None:
        deleted = lapsed = 0
        async for portion, unacknowledged in self._portions(force, before):
            deleted, lapsed = deleted + portion, lapsed + unacknowledged
            _deleted.add(portion - unacknowledged, {"force": force, "acknowledged": "yes"})
            _deleted.add(unacknowledged, {"force": force, "acknowledged": "no"})
        if deleted:
            _log.info("alerts deleted", extra={"force": force, "alerts": deleted, "unacknowledged": lapsed})

    async def _portions(self, sequence: str, before: datetime) -> AsyncIterator[tuple[int, int]]:
        """Delete the old alerts of a sequence; of each portion how many, and how many of them were open."""
        portion = PORTION
        while portion == PORTION:
            portion, unacknowledged = await self._alerts.delete_old(sequence, before, PORTION)
            yield portion, unacknowledged
            await asyncio.sleep(_PAUSE_SECONDS)
        # Also when another replica deleted them: events must not stay in memory longer than their rows.
        self._memory.forget(sequence)
