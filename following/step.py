"""The step of a line, which a service supplies: it processes the gathered reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from following.lease import Lease, Move
from following.log import I, Item, Part

R = TypeVar("R")
I_contra = TypeVar("I_contra", bound=Item, contravariant=True)


class StepFailedError(Exception):
    """The step could not process the part now: it is run again with the same part after a back-off.

    `said` is shown to people as the line's last error: one sentence without personal data. `retry_after` is
    the wait that the far side asked for, in seconds. `traceparent` is of the span that failed, for the log.
    """

    def __init__(self, said: str, *, retry_after: float | None = None, traceparent: str = "") -> None:
        super().__init__(said)
        self.retry_after = retry_after
        self.traceparent = traceparent


class LineStoppedError(Exception):
    """The line must stop until a person resumes it. The text is the line's `stopped_reason`: one sentence."""


class Progress(Protocol):
    """One cursor of a line, as its step sees it. See `following.cursor.Cursor`."""

    @property
    def lease(self) -> Lease:
        """The right under which the step runs."""

    @property
    def cursor(self) -> str:
        """The cursor's name."""

    @property
    def position(self) -> int:
        """The durable position: the step has committed everything up to here."""

    async def commit(self, position: int, write: Callable[[Move], Awaitable[R]]) -> R:
        """Commit a result together with the cursor's move to `position`, and return what `write` returns.

        `write` runs one transaction that calls `advance_line(*move)`, best in a single statement: then a
        process that is frozen in the middle holds no lock. It returns None or False when `advance_line` was
        false, and must have written nothing then. Raises FencedError in that case; the step lets it pass.
        A step may commit several times in one part.
        """


class Step(Protocol[I_contra]):
    """The work of a line."""

    async def run(self, part: Part[I_contra], progress: Progress) -> None:
        """Process a part, which has at least one item.

        Commit results by `progress.commit`. When `run` returns, the whole part is processed: where its end
        is not committed, the cursor moves there within 0.2 s without waiting for the disk, while the next
        part is processed.

        Raises StepFailedError to be run again with the same part, of which everything up to
        `progress.position` is done already; LineStoppedError to stop the line. Any other transient error (see
        `chassis.transient`) starts the line again from its durable cursor, with a new step; a bug ends the
        process. When the line stops (pause, hand-over, end of the process), a step under way has
        `stop_seconds` to end, and is then cancelled.
        """


OpenStep = Callable[[Lease], AbstractAsyncContextManager[Step[I]]]
"""Opens the step for one run of a line: it may hold a connection, an index, tasks. Closed at each restart."""
