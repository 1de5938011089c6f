"""What the bridge keeps, and the ports through which it does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, Protocol

from services.nas_bridge.destination import ReadName


class Route(NamedTuple):
    """Whose reads go where: what one forwarder is for."""

    force: str
    destination: str


class State(IntEnum):
    """As ForwarderState in the contract."""

    RUNNING = 1
    RETRYING = 2
    STOPPED = 3


class ClaimLostError(Exception):
    """Another process runs this forwarder now, or the database forgot us: begin again with a new claim."""


@dataclass(frozen=True)
class RefusedRead:
    """A read that a destination refused for good."""

    position: int
    name: ReadName
    reason: str
    message: str


@dataclass(frozen=True)
class Delivery:
    """A delivery to be written down whole: `before` and `after` are the cursor's positions."""

    before: int
    after: int
    head: int
    receipt_id: str
    first_position: int
    last_position: int
    accepted: int
    duplicate: int
    refused: Sequence[RefusedRead]
    traceparent: str


class Claim(Protocol):
    """The right to run one forwarder. What it writes is refused once another has the right."""

    @property
    def position(self) -> int:
        """Where the cursor stood when the claim was made."""

    async def lost(self) -> None:
        """Return when the right is known to be lost."""

    async def record_delivery(self, delivery: Delivery) -> None:
        """Write receipt, dead letters and cursor in one transaction. Raises ClaimLostError."""

    async def move_cursor(self, before: int, after: int, head: int) -> None:
        """Move over a stretch of the log without reads. Raises ClaimLostError."""

    async def note_state(self, state: State, error: str, head: int) -> None:
        """Say how the forwarder fares. Raises ClaimLostError."""


class Claims(Protocol):
    """Hands out claims; one at a time for a route, over all processes."""

    def hold(self, route: Route) -> AbstractAsyncContextManager[Claim]:
        """Wait for the claim on a route and hold it inside the block."""


@dataclass(frozen=True)
class ForwarderStatus:
    """What is known of a forwarder."""

    destination: str
    state: State
    position: int
    head: int
    delivered: int
    dead_letters: int
    last_delivered_at: datetime | None
    last_error: str
    failing_since: datetime | None


@dataclass(frozen=True)
class DeadLetter:
    """A refused read as it is kept."""

    position: int
    name: ReadName
    reason: str
    message: str
    refused_at: datetime


@dataclass(frozen=True)
class KeptReceipt:
    """A receipt as it is kept."""

    receipt_id: str
    first_position: int
    last_position: int
    accepted: int
    duplicate: int
    refused: int
    received_at: datetime
    traceparent: str


class Records(Protocol):
    """What people may ask about."""

    async def forwarders(self, force: str) -> list[ForwarderStatus]:
        """The forwarders of a force, by destination."""

    async def dead_letters(self, route: Route, before: int, most: int) -> list[DeadLetter]:
        """Refused reads below a position, newest first."""

    async def receipt(self, route: Route, position: int) -> KeptReceipt | None:
        """The receipt that covers a position."""
