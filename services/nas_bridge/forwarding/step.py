"""A forwarder: takes one force's log to one destination, in order, over every failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from chassis.database_faults import database_fault
from chassis.errors import Fault
from chassis.names import MetricName, SpanName
from chassis.telemetry import current_traceparent, meter, span_following, tracer
from services.nas_bridge.backoff import Backoff
from services.nas_bridge.delivery import (
    Way,
    condemned_only,
    condemned_read,
    delivery_of,
    hand_over,
    indexes_of,
    submission_of,
    uninterrupted,
)
from services.nas_bridge.destination import (
    Destination,
    DestinationAwayError,
    Receipt,
    Submission,
    SubmissionRefusedError,
)
from services.nas_bridge.follower import Follower, LogGapError
from services.nas_bridge.intake import Intake, Parcel, ParcelLimits
from services.nas_bridge.parts import halves, rest_after
from services.nas_bridge.records import Claim, ClaimLostError, Claims, Route, State
from services.nas_bridge.refusals import RefusalLimits, RefusalWatch
from services.nas_bridge.reporting import CursorReport

_log = logging.getLogger(__name__)
_forwarded: Final = meter().create_counter(MetricName.BRIDGE_FORWARDED_READS, "1", "Reads destinations took")
_receipts: Final = meter().create_counter(MetricName.BRIDGE_RECEIPTS, "1", "Receipts written down")
_retries: Final = meter().create_counter(MetricName.BRIDGE_RETRIES, "1", "Deliveries to be repeated")
_refused: Final = meter().create_counter(MetricName.BRIDGE_DEAD_LETTERS, "1", "Reads destinations refused")
_refused_whole: Final = meter().create_counter(
    MetricName.BRIDGE_REFUSED_SUBMISSIONS, "1", "Submissions that destinations refused as a whole"
)
_lag: Final = meter().create_gauge(MetricName.BRIDGE_LAG_READS, "1", "Reads of the log not yet delivered")


# A submission is refused so often, with waits between, before its reads are suspected.
_WHOLE_TRIES: Final = 3


class LineStoppedError(Exception):
    """So much is refused that going on would hide a fault; one sentence."""


class AllRefusedError(DestinationAwayError):
    """Reads are refused one after the other, each alone: not they are at fault, but the destination or we."""


@dataclass(frozen=True)
class ForwarderLimits:
    """How much goes at once, how patiently, and when refusals stop the line."""

    parcel: ParcelLimits
    refusals: RefusalLimits
    timeout_seconds: float
    retry_first_seconds: float
    retry_most_seconds: float
    skip_purged: bool = False

    def backoff(self) -> Backoff:
        """A new row of waits."""
        return Backoff(self.retry_first_seconds, self.retry_most_seconds)


class Forwarder:
    """Runs one route. `run` is to be cancelled to stop it: a delivery under way is brought to its end."""

    def __init__(
        self,
        *,
        route: Route,
        destination: Destination,
        follower: Follower,
        claims: Claims,
        report: CursorReport,
        limits: ForwarderLimits,
    ) -> None:
        self._route = route
        self._destination = destination
        self._follower = follower
        self._claims = claims
        self._report = report
        self._limits = limits
        self._labels = {"force": route.force, "destination": route.destination}
        self._away = limits.backoff()
        self._watch = RefusalWatch(limits.refusals)
        self._skip_to = 0
        self._told = False

    async def run(self) -> NoReturn:
        """Forward for ever; whatever is away is waited for."""
        unclaimed = self._limits.backoff()
        while True:
            try:
                async with self._claims.hold(self._route) as claim:
                    unclaimed.succeeded()
                    await self._run_claimed(claim)
            except Exception as error:
                if not _will_pass(error):
                    raise
                _heed_cancellation()
                wait = unclaimed.next_wait()
                _log.warning("forwarding interrupted", extra=self._about(error, wait))
                await asyncio.sleep(wait)

    async def _run_claimed(self, claim: Claim) -> None:
        if self._skip_to > claim.position:
            await self._skip(claim)
            return
        try:
            await self._forward(claim)
        except LogGapError as gap:
            if not self._limits.skip_purged or not gap.first_position:
                await self._halt(claim, str(gap))
            self._skip_to = gap.first_position - 1
        except LineStoppedError as stop:
            await self._halt(claim, str(stop))

    async def _forward(self, claim: Claim) -> None:
        intake = Intake(self._limits.parcel, claim.position)
        self._report.note(claim.position)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follower.follow(intake), name="follow the log")
                tasks.create_task(self._report.report_forever(), name="report the cursor")
                tasks.create_task(_raise_when_lost(claim), name="watch the claim")
                await self._deliver_forever(claim, intake)
        except BaseExceptionGroup as group:
            raise _weightiest(group) from None

    async def _deliver_forever(self, claim: Claim, intake: Intake) -> None:
        position = claim.position
        while True:
            parcel = await intake.take()
            if parcel.batches:
                await self._deliver(claim, position, parcel)
            else:
                await claim.move_cursor(position, parcel.position, parcel.head)
            position = parcel.position
            self._report.note(position)
            _lag.set(max(0, intake.head - position), self._labels)

    async def _deliver(self, claim: Claim, position: int, parcel: Parcel) -> None:
        way, refused = Way(claim, position), 0
        while True:
            try:
                if refused < _WHOLE_TRIES:
                    await uninterrupted(self._attempt(way, parcel))
                else:
                    await self._isolate(way, parcel)
            except DestinationAwayError as error:
                refused = self._refusals_after(error, refused)
                await self._wait_after(error, way, parcel.head)
                parcel = rest_after(parcel, way.cursor)
            else:
                self._told = False
                return

    def _refusals_after(self, error: DestinationAwayError, before: int) -> int:
        """How often the parcel has been refused as a whole; one more refusal is told to people."""
        if isinstance(error, AllRefusedError):
            return 0
        if isinstance(error, SubmissionRefusedError):
            self._tell_once(error)
            return before + error.divisible
        return before

    async def _isolate(self, way: Way, parcel: Parcel) -> None:
        """Deliver in parts what is refused as a whole, and condemn the reads that are refused alone."""
        try:
            await self._deliver_part(way, parcel)
            if way.condemned:
                await uninterrupted(self._write_condemned(way, parcel))
        finally:
            # What was not written down stays undelivered, and comes again.
            way.condemned.clear()

    async def _deliver_part(self, way: Way, part: Parcel) -> None:
        try:
            await uninterrupted(self._attempt(way, part))
        except SubmissionRefusedError as error:
            if not error.divisible:
                raise
            if part.reads == 1:
                self._condemn(way, part, error)
                return
            for half in halves(part):
                await self._deliver_part(way, half)

    def _condemn(self, way: Way, part: Parcel, error: SubmissionRefusedError) -> None:
        way.condemned.append(condemned_read(submission_of(self._route, part), part, error))
        count = len(way.condemned)
        if excess := self._watch.excess(count, range(count)):
            raise AllRefusedError(f"{error}, also to single reads; {excess}", retry_after=error.retry_after)

    async def _write_condemned(self, way: Way, parcel: Parcel) -> None:
        delivery = condemned_only(way, parcel)
        await way.claim.record_delivery(delivery)
        way.cursor = parcel.position
        count = len(delivery.refused)
        self._watch.count(count, range(count))
        _refused.add(count, self._labels)

    async def _attempt(self, way: Way, parcel: Parcel) -> None:
        submission = submission_of(self._route, parcel)
        traceparents = [batch.traceparent for batch in parcel.batches]
        with span_following(SpanName.BRIDGE_FORWARD, traceparents, self._attributes(submission)):
            receipt = await self._hand_over(submission)
            refused = indexes_of(way, receipt)
            reads = len(way.condemned) + submission.count
            self._judge(reads, refused)
            delivery = delivery_of(way, parcel, submission, receipt, current_traceparent())
            with tracer().start_as_current_span(SpanName.BRIDGE_RECEIPT):
                await way.claim.record_delivery(delivery)
        way.cursor = parcel.position
        way.condemned.clear()
        self._away.succeeded()
        self._watch.count(reads, refused)
        self._count(receipt, len(refused))

    async def _hand_over(self, submission: Submission) -> Receipt:
        try:
            return await hand_over(self._destination, submission, self._limits.timeout_seconds)
        except SubmissionRefusedError:
            _refused_whole.add(1, self._labels)
            raise

    def _judge(self, reads: int, refused: Sequence[int]) -> None:
        # Before it is written down: the reads stay undelivered, and come again once the fault is mended.
        excess = self._watch.excess(reads, refused)
        if excess:
            raise LineStoppedError(f"{excess}; find out why, then restart the bridge")

    def _count(self, receipt: Receipt, refused: int) -> None:
        _forwarded.add(receipt.accepted + receipt.duplicate, self._labels)
        _receipts.add(1, self._labels)
        if refused:
            _refused.add(refused, self._labels)

    def _tell_once(self, error: SubmissionRefusedError) -> None:
        if not self._told:
            self._told = True
            about = {**self._labels, "reason": error.reason, "said": str(error)}
            _log.error("a destination refuses what it is sent; it is tried again", extra=about)

    async def _wait_after(self, error: DestinationAwayError, way: Way, head: int) -> None:
        wait = self._away.next_wait(error.retry_after)
        _retries.add(1, self._labels)
        _log.warning("delivery failed", extra={**self._about(error, wait), "said": str(error)})
        await way.claim.note_state(State.RETRYING, str(error), head)
        await asyncio.sleep(wait)

    async def _skip(self, claim: Claim) -> None:
        about = {**self._labels, "after_position": claim.position, "to_position": self._skip_to}
        _log.error("reads were deleted before they were delivered; going on after them", extra=about)
        await claim.move_cursor(claim.position, self._skip_to, 0)

    async def _halt(self, claim: Claim, sentence: str) -> None:
        _log.error("forwarding stopped", extra={**self._labels, "why": sentence})
        await claim.note_state(State.STOPPED, sentence, 0)
        # The claim stays ours: another replica would only run into the same wall.
        await asyncio.Event().wait()

    def _attributes(self, submission: Submission) -> dict[str, str | int]:
        return {**self._labels, "submission_id": submission.submission_id, "reads": submission.count}

    def _about(self, error: BaseException, wait: float) -> dict[str, object]:
        return {**self._labels, "cause": type(error).__name__, "wait_seconds": round(wait, 3)}


def _heed_cancellation() -> None:
    # A driver that is told to stop just when its connection breaks may report only the latter.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _raise_when_lost(claim: Claim) -> None:
    await claim.lost()
    raise ClaimLostError("the database connection that held the claim is gone")


def _weightiest(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one that decides what to do next: what stops the line or is a bug, before what passes."""
    flat: list[BaseException] = []
    for error in group.exceptions:
        flat += _flattened(error)
    return next((error for error in flat if not _will_pass(error)), flat[0])


def _flattened(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _flattened(inner)]
    return [error]


def _will_pass(error: BaseException) -> bool:
    return isinstance(error, (ClaimLostError, OSError, Fault)) or database_fault(error) is not None
