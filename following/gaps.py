"""What to do when the log does not have what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from chassis.transient import TransientError

from chassis.errors import OutOfRange
from following.step import LineStoppedError

PURGED: Final = "POSITION_PURGED"


@dataclass(frozen=True, slots=True)
class Gap:
    """Why a log cannot be followed after `position`. `resume_at` is where it can be; None when unknown."""

    reason: str
    position: int
    resume_at: int | None

    @classmethod
    def of(cls, fault: OutOfRange, position: int) -> Gap:
        """The gap that a fault describes."""


class GapError(TransientError):
    """The log cannot be followed after the cursor, and nothing was decided: it is tried again."""


class GapPolicy(Protocol):
    """Decides where a line goes on."""

    def resume_at(self, gap: Gap) -> int:
        """The position after which to go on; it is logged as an error and the cursor is moved there.

        Raises LineStoppedError to stop the line, GapError to try again with a back-off.
        """


class SkipGaps:
    """Goes on after a gap: reads that are left must not wait for an engineer."""

    def resume_at(self, gap: Gap) -> int:
        """See `GapPolicy`."""
        raise NotImplementedError


class StopAtGaps:
    """Stops the line, so that a person decides."""

    def resume_at(self, gap: Gap) -> int:
        """See `GapPolicy`."""
        raise LineStoppedError
