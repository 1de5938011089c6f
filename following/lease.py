"""The desired state of a line, the lease to run it, and how writes under a lease are fenced."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from chassis.transient import TransientError

DEFAULT_CURSOR: Final = "main"


class DesiredState(IntEnum):
    """The desired state of a line; as DestinationState in gantry.bridge.v1."""

    PLANNED = 1
    TESTING = 2
    SHADOW = 3
    LIVE = 4
    DRAINING = 5
    RETIRED = 6


FOLLOWING_STATES: Final = frozenset({DesiredState.SHADOW, DesiredState.LIVE, DesiredState.DRAINING})
"""States in which a line follows its log, unless it is paused or stopped."""


class Key(NamedTuple):
    """The name of a line."""

    force: str
    line: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a line. Its epoch is in every write; a write with an older epoch is refused."""

    force: str
    line: str
    epoch: int
    state: DesiredState

    @property
    def key(self) -> Key:
        """The line."""
        return Key(self.force, self.line)


class Move(NamedTuple):
    """A move of a cursor: the parameters of the SQL function `advance_line`, in its order."""

    force: str
    line: str
    epoch: int
    cursor: str
    old_position: int
    new_position: int
    head: int


class FencedError(TransientError):
    """The write was refused: its epoch is old, or the cursor was moved. The line starts again."""
