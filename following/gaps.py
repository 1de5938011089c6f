"""Gap policies: what a line does when reads after its cursor are not in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from chassis.errors import OutOfRange
from chassis.transient import TransientError
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
        """The gap that a fault describes: reads were deleted, or the log is shorter than the position."""
        if fault.reason == PURGED:
            first = fault.metadata.get("first_position", "")
            return cls(fault.reason, position, int(first) - 1 if first.isdecimal() else None)
        head = fault.metadata.get("head", "")
        return cls(fault.reason, position, int(head) if head.isdecimal() else None)

    @property
    def sentence(self) -> str:
        """What has happened, for people."""
        if self.reason == PURGED:
            return "the store deleted reads before they were processed"
        return "the store's log is shorter than what was processed, as after an old backup"


class GapError(TransientError):
    """The log cannot be followed after the cursor. Raised by a policy: try again after a back-off."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(gap.sentence)
        self.gap = gap


class GapPolicy(Protocol):
    """Decides where a line continues."""

    def resume_at(self, gap: Gap) -> int:
        """The position after which to go on; it is logged as an error and the cursor is moved there.

        Raises LineStoppedError to stop the line, GapError to try again with a back-off.
        """


class SkipGaps:
    """Continues after a gap: the remaining reads must not wait for an engineer."""

    def resume_at(self, gap: Gap) -> int:
        """See `GapPolicy`. Raises GapError when the far side names no position to continue from."""
        if gap.resume_at is None:
            raise GapError(gap)
        return gap.resume_at


class StopAtGaps:
    """Stops the line, so that a person decides."""

    def resume_at(self, gap: Gap) -> int:
        """See `GapPolicy`."""
        raise LineStoppedError(gap.sentence)
