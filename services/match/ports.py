"""What matching needs of others: the store's log and audit trail, its own database, a lease, a clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Protocol

from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1.audit_pb2 import AuditAction
from gantry.store.v1.store_pb2 import TailReadsResponse

from services.match.events import Event
from services.match.leases import Lease
from services.match.matching import Entry, NewAlert
from services.match.postgres import Cursor, Move

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


class ReadLog(Protocol):
    """The store's log of reads."""

    def follow(self, force: str, after: int | None) -> AsyncGenerator[TailReadsResponse, None]:
        """Reads after a position, then new ones as they come; None: from the oldest kept. Raises Fault."""

    async def report(self, force: str, position: int) -> None:
        """Say that everything up to `position` is durably dealt with. Raises Fault."""


class AuditTrail(Protocol):
    """The store's audit trail; see `clients.store.AuditClient`."""

    async def record(
        self, force: str, person: str, action: AuditAction.ValueType, purpose: Purpose, subject: str
    ) -> object:
        """Write a record; durable when it returns. Raises Fault."""


class Raising(Protocol):
    """From candidates to alerts; see `services.match.postgres.PostgresRaising`."""

    async def entries(self, loads: Sequence[int], keys: Sequence[int], now: datetime) -> list[Entry]:
        """The entries with these folded keys that have not reached their weed date."""

    async def raise_alerts(
        self, step: Move, alerts: Sequence[NewAlert], raised_at: datetime
    ) -> list[int | None]:
        """Raise alerts and move the cursor at once; returns their numbers, None where raised before.

        Raises Fenced.
        """

    async def move(self, step: Move) -> None:
        """Move the cursor over reads that raised nothing; on disk within a second. Raises Fenced."""

    async def warm(self, cursor: Cursor, loads: Sequence[int], now: datetime) -> None:
        """Have everything ready, so that the first alert takes no longer than others."""


class Matching(Protocol):
    """What is kept of matching; see `services.match.postgres.PostgresMatching`."""

    async def cursor(self, force: str) -> Cursor:
        """The durable cursor."""

    def raising(self, force: str) -> AbstractAsyncContextManager[Raising]:
        """What takes candidates to alerts, for as long as the force is followed."""


class Announcer(Protocol):
    """Who is told of new alerts at once; see `services.match.feed.Feed`."""

    def offer(self, events: Sequence[Event]) -> None:
        """Events that are durable, with numbers that follow each other."""


class LeaseSource(Protocol):
    """Who may follow which force."""

    async def lease(self, force: str) -> Lease:
        """Wait until this replica is the one that follows `force`."""
