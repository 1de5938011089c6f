"""A line at this replica, from its lease until it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from chassis.backoff import Backoff
from chassis.errors import Fault
from chassis.loops import raise_if_cancelled, repeat
from chassis.telemetry import untraced
from chassis.transient import TransientError, asked_wait, cause_of, is_transient
from following.cursor import Cursor, Mover
from following.follow import Follow
from following.gaps import GapError
from following.lease import FencedError, Lease
from following.line import Line, MakeLine
from following.step import LineStoppedError, Step
from following.tasks import decisive, together, wait_unless

REPORT_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 5.0
_FIRST_WAIT: Final = 0.1
_MOST_WAIT: Final = 5.0
_WELL_AFTER_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


class Records(Mover, Protocol):
    """The stored state of lines; see `following.postgres.PostgresLines`. Each method raises FencedError."""

    async def cursors(self, lease: Lease) -> dict[str, int]:
        """The position of each cursor by its name."""

    async def failing(self, lease: Lease, said: str, heads: Iterable[tuple[str, int]] = ()) -> None:
        """Record that the line fails, and the `heads` of the log by cursor."""

    async def recovered(self, lease: Lease) -> None:
        """Record that the line has nothing to process and fails no more."""

    async def stopped(self, lease: Lease, reason: str) -> None:
        """Stop the line until a person resumes it."""


class Running:
    """Follows until `finish`, which waits for the step under way, or until a cancellation, which does not."""

    def __init__(
        self,
        lease: Lease,
        make: MakeLine,
        records: Records,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lease = lease
        self.finishing = asyncio.Event()
        self._make = make
        self._records = records
        self._clock = clock
        self._follows: list[Follow[Any]] = []
        self._labels = {"force": lease.force, "line": lease.line}
        self._noted = True

    def finish(self) -> None:
        """End after the step under way."""
        self.finishing.set()
        for follow in self._follows:
            follow.finish()

    async def run(self) -> None:
        """Run until `finish`, or until the line has stopped.

        Raises FencedError, and errors that are not transient.
        After other transient errors the line starts again from its durable cursor, with a back-off.
        """
        backoff = Backoff(_FIRST_WAIT, _MOST_WAIT)
        while not self.finishing.is_set():
            began = self._clock()
            try:
                await self._until_stopped()
            except FencedError:
                raise_if_cancelled()
                raise
            except Exception as error:
                raise_if_cancelled()
                if not is_transient(error):
                    raise
                if self._clock() - began > _WELL_AFTER_SECONDS:
                    backoff.succeeded()
                await self._fail(error, backoff.next_wait(asked_wait(error)))

    async def _until_stopped(self) -> None:
        try:
            made = self._make(self.lease)
            await self._follow(await made if isinstance(made, Awaitable) else made)
            if not self.finishing.is_set():
                raise TransientError("the line ended by itself")
        except LineStoppedError as stop:
            raise_if_cancelled()
            await self._records.stopped(self.lease, str(stop))
            _log.error("the line stopped", extra={**self._labels, "reason": str(stop)})
            self.finishing.set()

    async def _follow(self, line: Line[Any]) -> None:
        try:
            async with asyncio.timeout(None) as closing, line.open_step(self.lease) as step:
                try:
                    await self._follow_with(line, step)
                finally:
                    # Closing a step may never end when its connection is dead.
                    closing.reschedule(asyncio.get_running_loop().time() + _CLOSE_SECONDS)
        except BaseExceptionGroup as group:
            raise decisive(group) from None
        finally:
            self._follows.clear()

    async def _follow_with(self, line: Line[Any], step: Step[Any]) -> None:
        positions = await self._records.cursors(self.lease)
        cursors = [Cursor(self.lease, name, positions[name], self._records) for name in line.cursors]
        self._follows += [Follow(line, step, cursor, self._note_failure) for cursor in cursors]
        if self.finishing.is_set():
            return
        report = repeat(Report(line, cursors, self._recover).send, name="report", every=REPORT_SECONDS)
        moves = [cursor.move_idle() for cursor in cursors]
        await together([follow.run() for follow in self._follows], [*moves, report])
        for cursor in cursors:
            await cursor.settle()

    async def _note_failure(self, said: str, cursor: str, head: int) -> None:
        self._noted = True
        await self._records.failing(self.lease, said, [(cursor, head)])

    async def _recover(self) -> None:
        """Clear the last failure once nothing is left to process: then nothing would clear it."""
        if self._noted and all(follow.idle for follow in self._follows):
            await self._records.recovered(self.lease)
            self._noted = False

    async def _fail(self, error: Exception, wait: float) -> None:
        level = logging.ERROR if isinstance(error, GapError) else logging.WARNING
        about = {**self._labels, "cause": cause_of(error), "wait_seconds": round(wait, 3)}
        _log.log(level, "the line starts again from its cursor", extra=about)
        self._noted = True
        try:
            await self._records.failing(self.lease, cause_of(error))
        except Exception as unwritten:
            raise_if_cancelled()
            if isinstance(unwritten, FencedError) or not is_transient(unwritten):
                raise
        await wait_unless(self.finishing, wait)


class Report:
    """Reports to the source how far the line has durably processed the log."""

    def __init__(
        self, line: Line[Any], cursors: Sequence[Cursor], recover: Callable[[], Awaitable[None]]
    ) -> None:
        self._line = line
        self._cursors = cursors
        self._recover = recover
        self._durable = self._least()
        self._reported = -1

    async def send(self) -> None:
        """Report the least cursor as it was a second ago: by now it is on disk."""
        durable, self._durable = self._durable, self._least()
        if self._line.reports and durable != self._reported:
            await self._tell(durable)
            self._reported = durable
        await self._recover()

    async def _tell(self, position: int) -> None:
        try:
            with untraced():
                await self._line.source.report(position)
        except Fault as fault:
            if is_transient(fault):
                raise
            # For example a consumer that was retired. The row of the line changes too.
            _log.warning("the cursor was not taken", extra={"reason": fault.reason, "position": position})

    def _least(self) -> int:
        return min(cursor.position for cursor in self._cursors)
