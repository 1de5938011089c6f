"""The ports of the alerts feature to its database; see `services.match.alerts.postgres`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from gantry.match.v1.alert_pb2 import Alert, GetMatchStatusResponse

from services.match.alerts.filtering import ALL, Happening, Wanted

PAGE: Final = 500
"""Most events in one page of `EventSource.page`."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order: all kept events up to `number`."""

    events: Sequence[Happening]
    number: int


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts to list. None: no limit. `before` is the raised time and the number of the page before."""

    open_only: bool
    raised_from: datetime | None
    before: tuple[datetime, int] | None
    wanted: Wanted = ALL


class EventSource(Protocol):
    """The events of all forces. A `canary_sequence` is asked for like a force."""

    async def last_number(self, force: str) -> int:
        """The number of a force's last event; 0 when there was none."""

    async def page(self, force: str, after: int) -> EventPage:
        """The events after a number, at most PAGE of them."""


class AlertSource(Protocol):
    """The alerts of all forces, each as it now is."""

    async def list(self, force: str, query: AlertQuery, most: int) -> Sequence[Alert]:
        """Alerts, newest first."""

    async def find(self, force: str, number: int) -> Alert | None:
        """One alert."""

    async def acknowledge(
        self, force: str, number: int, person: str, note: str, at: datetime
    ) -> tuple[Happening, bool] | None:
        """Append an acknowledgement unless one stands; the event that stands and whether it is new.

        None when the force has no such alert.
        """

    async def status(self, force: str) -> GetMatchStatusResponse:
        """The durable progress of matching."""


class OldAlerts(Protocol):
    """Alerts whose time is over, also those of a `canary_sequence`."""

    async def delete_old(self, force: str, before: datetime, most: int) -> tuple[int, int]:
        """Delete the oldest alerts raised before a moment; how many, and how many of them were open."""
