"""The end of alerts: they hold copies of reads, so they go when their days are over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

from chassis.names import MetricName
from chassis.telemetry import meter
from services.match.passing import go_on_after
from services.match.ports import Clock

EVERY_SECONDS: Final = 600.0
# Each portion holds the force's row for some milliseconds, which a new alert may have to wait.
PORTION: Final = 200
_PAUSE_SECONDS: Final = 0.05

_deleted = meter().create_counter(
    MetricName.MATCH_DELETED_ALERTS, "1", "Alerts whose time was over, by force and whether acknowledged"
)
_log = logging.getLogger(__name__)


class OldAlerts(Protocol):
    """Where alerts are; see `services.match.postgres_alerts.PostgresAlerts`."""

    async def delete_old(self, force: str, before: datetime, most: int) -> tuple[int, int]:
        """Delete the oldest alerts raised before a moment; how many, and how many of them unacknowledged."""


class Forgetful(Protocol):
    """What remembers alerts; see `services.match.feed.Feed`."""

    def forget(self) -> None:
        """Remember nothing that the database may no longer have."""


class AlertRetention:
    """Deletes alerts `days` after they were raised. Every replica may: the portions exclude each other."""

    def __init__(self, alerts: OldAlerts, feeds: Mapping[str, Forgetful], days: int, clock: Clock) -> None:
        self._alerts = alerts
        self._feeds = feeds
        self._age = timedelta(days=days)
        self._clock = clock

    async def run(self) -> None:
        """Delete every ten minutes what is due; a database that is away is met again later."""
        while True:
            try:
                await self.delete_due()
            except Exception as error:  # noqa: BLE001 - a bug is raised again
                go_on_after(error)
                _log.warning("old alerts stay for now", extra={"kind": type(error).__name__})
            await asyncio.sleep(EVERY_SECONDS)

    async def delete_due(self) -> None:
        """Delete what is due now."""
        before = self._clock() - self._age
        for force, feed in self._feeds.items():
            deleted, lapsed = await self._delete(force, before)
            # Also when another replica was first: the feed's memory must not outlast the rows.
            feed.forget()
            if deleted:
                _log.info(
                    "alerts deleted", extra={"force": force, "alerts": deleted, "unacknowledged": lapsed}
                )

    async def _delete(self, force: str, before: datetime) -> tuple[int, int]:
        deleted = lapsed = 0
        while True:
            portion, unacknowledged = await self._alerts.delete_old(force, before, PORTION)
            deleted, lapsed = deleted + portion, lapsed + unacknowledged
            _deleted.add(portion - unacknowledged, {"force": force, "acknowledged": "yes"})
            _deleted.add(unacknowledged, {"force": force, "acknowledged": "no"})
            if portion < PORTION:
                return deleted, lapsed
            await asyncio.sleep(_PAUSE_SECONDS)
