"""The ports of matching: its database, and the subscribers of events."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from following.lease import Move
from services.match.alerts.filtering import Happening
from services.match.matching.candidates import Hit
from services.match.matching.merging import Entry


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to be raised. `late`: the read is older than an alert should be."""

    hit: Hit
    camera_name: str
    late: bool


class Raising(Protocol):
    """From candidates to alerts of one force; see `services.match.matching.postgres`."""

    async def warm_up(self, loads: Sequence[int], now: datetime) -> None:
        """Plan the statements, so that the first alert takes no longer than others (warm-up)."""

    async def entries(self, loads: Sequence[int], keys: Sequence[int], now: datetime) -> Sequence[Entry]:
        """The entries with these folded keys that have not reached their weed date."""

    async def raise_alerts(
        self, move: Move, alerts: Sequence[NewAlert], raised_at: datetime
    ) -> list[int | None] | None:
        """Raise alerts and move the cursor in one transaction and one round trip.

        Returns the number of each alert, None where it was raised before. Returns None instead of a list when
        `advance_line` refused the move; then nothing was written.
        """

    async def raise_canary_alerts(
        self, move: Move, alerts: Sequence[NewAlert], raised_at: datetime
    ) -> list[int | None] | None:
        """As `raise_alerts`, for hits of canaries: their alerts go to `canary_sequence` of the force."""


class Matching(Protocol):
    """The database of matching."""

    def raising(self, force: str) -> AbstractAsyncContextManager[Raising]:
        """The `Raising` of a force, for as long as its line runs here."""


class Publisher(Protocol):
    """Gives events to subscribers; see `services.match.alerts.subscriptions.Subscriptions`."""

    def publish(self, force: str, events: Sequence[Happening]) -> None:
        """Send durable events, with consecutive numbers, to the subscribers of all replicas.

        `force` is a force or the `canary_sequence` of one.
        """
