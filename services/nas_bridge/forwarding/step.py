"""The step of a line that delivers: sends the gathered reads, judges refusals, finds unacceptable reads."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from chassis.joint_spans import spans_following
from chassis.metrics import counter
from chassis.telemetry import current_traceparent, within
from following import LineStoppedError, Part, Progress, StepFailedError
from reads.appended import Appended
from services.nas_bridge.destinations.adapter import (
    DeliveryFailedError,
    Destination,
    Receipt,
    Submission,
    SubmissionRefusedError,
)
from services.nas_bridge.destinations.destination import Route
from services.nas_bridge.forwarding.delivery import (
    Deliveries,
    RefusedRead,
    delivery_of,
    refusals_only,
    refused_alone,
    send,
    submission_of,
)
from services.nas_bridge.forwarding.halving import halves, rest_after
from services.nas_bridge.forwarding.refusals import RefusalLimits, RefusalWatch
from services.nas_bridge.names import MetricName, SpanName

# A submission is refused as a whole this often, with waits between, before it is sent in halves.
_WHOLE_TRIES: Final = 3

_log = logging.getLogger(__name__)
_forwarded: Final = counter(MetricName.BRIDGE_FORWARDED_READS)
_receipts: Final = counter(MetricName.BRIDGE_RECEIPTS)
_retries: Final = counter(MetricName.BRIDGE_RETRIES)
_refused: Final = counter(MetricName.BRIDGE_DEAD_LETTERS)
_refused_whole: Final = counter(MetricName.BRIDGE_REFUSED_SUBMISSIONS)


class AllRefusedError(DeliveryFailedError):
    """Reads are refused one after the other, each alone: so the fault is not in the reads."""


@dataclass(frozen=True)
class DeliveryLimits:
    """How long one submission may take, and how many refusals stop the line."""

    timeout_seconds: float
    refusals: RefusalLimits


class DeliveryStep:
    """Delivers the parts of one force's log to one destination. See `following.step.Step`."""

    def __init__(
        self,
        route: Route,
        open_destination: Callable[[], Awaitable[Destination]],
        deliveries: Deliveries,
        limits: DeliveryLimits,
    ) -> None:
        self._route = route
        self._open_destination = open_destination
        self._destination: Destination | None = None
        self._deliveries = deliveries
        self._limits = limits
        self._labels = {"force": route.force, "destination": route.destination}
        self._watch = RefusalWatch(limits.refusals)
        # (end of the part that was refused as a whole, how often).
        self._refused_part, self._refusals = 0, 0
        # Reads refused alone that are not recorded yet.
        self._unwritten: list[RefusedRead] = []
        self._reported = False

    async def run(self, part: Part[Appended], progress: Progress) -> None:
        """Deliver a part. Raises StepFailedError, LineStoppedError."""
        rest = rest_after(part, progress.position)
        try:
            await self._open()
            if self._refusals_of(part) < _WHOLE_TRIES:
                await self._attempt(rest, progress)
            else:
                await self._isolate(rest, progress)
        except DeliveryFailedError as error:
            self._note_failure(error, part)
            raise StepFailedError(
                str(error), retry_after=error.retry_after, traceparent=error.traceparent
            ) from error
        self._reported = False

    async def _open(self) -> None:
        if self._destination is None:
            self._destination = await self._open_destination()

    def _refusals_of(self, part: Part[Appended]) -> int:
        """How often the part was refused as a whole."""
        return self._refusals if part.position == self._refused_part else 0

    def _note_failure(self, error: DeliveryFailedError, part: Part[Appended]) -> None:
        _retries.add(1, self._labels)
        if isinstance(error, AllRefusedError):
            self._refused_part, self._refusals = 0, 0
        elif isinstance(error, SubmissionRefusedError):
            self._refused_part, self._refusals = part.position, self._refusals_of(part) + error.divisible
            self._report_once(error)

    async def _isolate(self, part: Part[Appended], progress: Progress) -> None:
        """Send the part in halves of halves; reads that are refused alone become dead letters."""
        try:
            await self._deliver_halves(part, progress)
            if self._unwritten:
                await self._write_refusals(part, progress)
        finally:
            # Reads without a record count as undelivered, and are delivered again.
            self._unwritten = []

    async def _deliver_halves(self, part: Part[Appended], progress: Progress) -> None:
        try:
            await self._attempt(part, progress)
        except SubmissionRefusedError as error:
            if not error.divisible:
                raise
            if part.count == 1:
                self._add_refusal(part, error)
                return
            for half in halves(part):
                await self._deliver_halves(half, progress)

    def _add_refusal(self, part: Part[Appended], error: SubmissionRefusedError) -> None:
        self._unwritten.append(refused_alone(submission_of(self._route, part), error))
        count = len(self._unwritten)
        if excess := self._watch.excess(count, range(count)):
            raise AllRefusedError(f"{error}, also to single reads; {excess}", retry_after=error.retry_after)

    async def _write_refusals(self, part: Part[Appended], progress: Progress) -> None:
        delivery, count = refusals_only(self._unwritten), len(self._unwritten)
        await progress.commit(part.position, lambda move: self._deliveries.record(move, delivery))
        self._watch.count(count, range(count))
        _refused.add(count, self._labels)

    async def _attempt(self, part: Part[Appended], progress: Progress) -> None:
        """Send a part as one submission and record its receipt."""
        submission = submission_of(self._route, part)
        origins = [each.traceparent for run in submission.runs for each in run.traced]
        with spans_following(SpanName.BRIDGE_FORWARD, origins, self._attributes(submission)) as spans:
            if others := spans.others:
                submission = replace(submission, traceparents=others)
            receipt = await self._send(submission)
            before = len(self._unwritten)
            reads = before + submission.count
            refused = [*range(before), *sorted(before + refusal.index for refusal in receipt.refusals)]
            if excess := self._watch.excess(reads, refused):
                # Before it is recorded: the reads count as undelivered, and are sent again after a resume.
                raise LineStoppedError(f"{excess}; find out why, then resume the destination")
            delivery = delivery_of(submission, receipt, self._unwritten, current_traceparent())
            with spans_following(SpanName.BRIDGE_RECEIPT, spans.traceparents):
                await progress.commit(part.position, lambda move: self._deliveries.record(move, delivery))
        self._unwritten = []
        self._watch.count(reads, refused)
        self._count(receipt, len(refused))

    async def _send(self, submission: Submission) -> Receipt:
        assert self._destination is not None, "opened before the first attempt"
        try:
            return await send(self._destination, submission, self._limits.timeout_seconds)
        except DeliveryFailedError as error:
            error.traceparent = current_traceparent()
            if isinstance(error, SubmissionRefusedError):
                _refused_whole.add(1, self._labels)
            raise

    def _count(self, receipt: Receipt, refused: int) -> None:
        _forwarded.add(receipt.accepted + receipt.duplicate, self._labels)
        _receipts.add(1, self._labels)
        if refused:
            _refused.add(refused, self._labels)

    def _report_once(self, error: SubmissionRefusedError) -> None:
        if not self._reported:
            self._reported = True
            about = {**self._labels, "reason": error.reason, "said": str(error)}
            with within(error.traceparent):
                _log.error("a destination refuses what it is sent; it is tried again", extra=about)

    def _attributes(self, submission: Submission) -> dict[str, str | int]:
        return {**self._labels, "submission_id": submission.submission_id, "reads": submission.count}
