"""A consumer of the log, and the port to the stored consumers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConsumerCursor:
    """Every read up to and including `position` is processed. `reported_at`: None before the first report."""

    consumer: str
    position: int
    reported_at: datetime | None


@dataclass(frozen=True, slots=True)
class ConsumerLag:
    """What a consumer of a force, which is active or retired, has not processed.

    `consumer` is None for a force without one. `oldest_us` is when the oldest of these reads was received.
    """

    force: str
    active: bool
    head: int
    consumer: str | None
    reads: int
    oldest_us: int | None


class Consumers(Protocol):
    """The consumers of all forces. Every method raises NotFound FORCE_UNKNOWN.

    `service` is the one that asks. A consumer belongs to the service that registered it first; for any other
    the methods with `service` raise Forbidden CONSUMER_NOT_YOURS.
    """

    async def register(self, service: str, force: str, consumer: str) -> int:
        """Register a consumer and return its cursor. One that is registered keeps its cursor."""

    async def retire(self, service: str, force: str, consumer: str) -> None:
        """Retire a consumer. One that is unknown or retired stays as it is."""

    async def report(self, service: str, force: str, consumer: str, position: int) -> None:
        """Move a cursor forward; a smaller position changes nothing.

        Raises NotFound CONSUMER_UNKNOWN and OutOfRange POSITION_AHEAD.
        """

    async def of(self, force: str) -> Sequence[ConsumerCursor]:
        """The registered consumers of a force, by name."""

    async def lags(self, forces: Collection[str]) -> Sequence[ConsumerLag]:
        """The lag of every registered consumer of these forces, from the rows as they are now."""
