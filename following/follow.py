"""Take one cursor of a line along its log: tail, gather, step."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic

from chassis.loops import raise_if_cancelled
from chassis.telemetry import within
from chassis.transient import cause_of
from following.cursor import Cursor
from following.gaps import Gap, GapError
from following.gather import Gather
from following.line import Line
from following.log import I, Part
from following.step import Step, StepFailedError
from following.tail import tail
from following.tasks import ended, wait_unless

_log = logging.getLogger(__name__)

NoteFailure = Callable[[str, str, int], Awaitable[None]]
"""Records the error of a step, the name of its cursor, and the log's head."""


class Follow(Generic[I]):
    """One cursor while its line runs. `finish` ends it after the step under way."""

    def __init__(self, line: Line[I], step: Step[I], cursor: Cursor, note_failure: NoteFailure) -> None:
        self.cursor = cursor
        self._line = line
        self._step = step
        self._note_failure = note_failure
        self._gather: Gather[I] = Gather(line.limits, cursor.position)
        self._backoff = line.backoff()
        self._finishing = asyncio.Event()
        self._labels = {"force": cursor.lease.force, "line": cursor.lease.line, "cursor": cursor.cursor}
        self._failing = False

    @property
    def idle(self) -> bool:
        """Whether the log has sent something, and the cursor has moved over all of it."""
        return self._gather.heard and self.cursor.position == self._gather.position

    def finish(self) -> None:
        """Begin no further step."""
        self._finishing.set()
        self._gather.close()

    async def run(self) -> None:
        """Follow until `finish`. Raises what the step or the gap policy raises."""
        while not self._finishing.is_set():
            try:
                await self._follow()
            except GapError as found:
                await self._go_on_after(found.gap)

    async def _follow(self) -> None:
        self._gather = Gather(self._line.limits, self.cursor.processed)
        feeding = asyncio.create_task(self._gather.feed(self._tail()), name="tail")
        try:
            while (part := await self._gather.take()) is not None and await self._take(part):
                pass
            if not self._finishing.is_set():
                await feeding
        finally:
            await ended([feeding])
            if not feeding.cancelled():
                feeding.exception()  # seen: it was raised above, or there is a reason not to

    def _tail(self) -> AsyncGenerator[Part[I], None]:
        return tail(
            self._line.source,
            self.cursor.processed,
            silence_seconds=self._line.silence_seconds,
            backoff=self._line.backoff(),
            labels=self._labels,
        )

    async def _take(self, part: Part[I]) -> bool:
        """Process a part. False when `finish` was called before it succeeded."""
        self.cursor.head = part.head
        if part.items and not await self._process(part):
            return False
        self.cursor.passed(part.position)
        return True

    async def _process(self, part: Part[I]) -> bool:
        while True:
            commits = self.cursor.commits
            try:
                await self._step_run(part)
            except StepFailedError as failure:
                if self.cursor.commits > commits:
                    self._backoff.succeeded()
                wait = self._backoff.next_wait(failure.retry_after)
                await self._tell(failure, wait)
            else:
                self._failing = False
                self._backoff.succeeded()
                return True
            if await wait_unless(self._finishing, wait):
                return False

    async def _tell(self, failure: StepFailedError, wait: float) -> None:
        if not self._failing:
            about = {**self._labels, "said": str(failure), "wait_seconds": round(wait, 3)}
            with within(failure.traceparent):
                _log.warning("a step failed; it is tried again", extra=about)
        self._failing = True
        await self._note_failure(str(failure), self.cursor.cursor, self._gather.head)

    async def _step_run(self, part: Part[I]) -> None:
        if self._line.slow_seconds is None:
            await self._step.run(part, self.cursor)
            return
        telling = asyncio.create_task(self._tell_slow(self._line.slow_seconds), name="slow step")
        try:
            await self._step.run(part, self.cursor)
        finally:
            await ended([telling])

    async def _tell_slow(self, seconds: float) -> None:
        """Let the line count as failing when a step takes long, before it has failed."""
        await asyncio.sleep(seconds)
        try:
            await self._note_failure(self._line.slow_said, self.cursor.cursor, self._gather.head)
        except Exception as error:  # noqa: BLE001 - the step itself meets what is wrong
            raise_if_cancelled()
            _log.warning("a slow step was not recorded", extra={**self._labels, "cause": cause_of(error)})

    async def _go_on_after(self, gap: Gap) -> None:
        position = self._line.gaps.resume_at(gap)
        about = {**self._labels, "reason": gap.reason, "after": gap.position, "resumes_after": position}
        _log.error("the log has a gap; the line goes on after it", extra=about)
        await self.cursor.jump(position)
