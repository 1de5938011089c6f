"""A forwarder: takes one force's log to one destination, in order, over every failure."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, NoReturn

from chassis.database_faults import database_fault
from chassis.errors import Fault
from chassis.names import MetricName, SpanName
from chassis.telemetry import current_traceparent, meter, span_following, tracer
from services.nas_bridge.backoff import Backoff
from services.nas_bridge.delivery import delivery_of, hand_over, submission_of, uninterrupted
from services.nas_bridge.destination import Destination, DestinationAwayError, Receipt, Submission
from services.nas_bridge.follower import Follower, LogGapError
from services.nas_bridge.intake import Intake, Parcel, ParcelLimits
from services.nas_bridge.records import Claim, ClaimLostError, Claims, Route, State
from services.nas_bridge.refusals import RefusalLimits, RefusalWatch
from services.nas_bridge.reporting import CursorReport

_log = logging.getLogger(__name__)
_forwarded: Final = meter().create_counter(MetricName.BRIDGE_FORWARDED_READS, "1", "Reads destinations took")
_receipts: Final = meter().create_counter(MetricName.BRIDGE_RECEIPTS, "1", "Receipts written down")
_retries: Final = meter().create_counter(MetricName.BRIDGE_RETRIES, "1", "Deliveries to be repeated")
_refused: Final = meter().create_counter(MetricName.BRIDGE_DEAD_LETTERS, "1", "Reads destinations refused")
_lag: Final = meter().create_gauge(MetricName.BRIDGE_LAG_READS, "1", "Reads of the log not yet delivered")


class LineStoppedError(Exception):
    """So much is refused that going on would hide a fault; one sentence."""


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
        submission = submission_of(self._route, parcel)
        while True:
            try:
                await uninterrupted(self._attempt(claim, position, parcel, submission))
            except DestinationAwayError as error:
                await self._wait_after(error, claim, parcel.head)
            else:
                self._away.succeeded()
                return

    async def _attempt(self, claim: Claim, position: int, parcel: Parcel, submission: Submission) -> None:
        traceparents = [batch.traceparent for batch in parcel.batches]
        with span_following(SpanName.BRIDGE_FORWARD, traceparents, self._attributes(submission)):
            receipt = await hand_over(self._destination, submission, self._limits.timeout_seconds)
            self._judge(submission, receipt)
            delivery = delivery_of(parcel, position, submission, receipt, current_traceparent())
            with tracer().start_as_current_span(SpanName.BRIDGE_RECEIPT):
                await claim.record_delivery(delivery)
        self._count(submission, receipt)

    def _judge(self, submission: Submission, receipt: Receipt) -> None:
        # Before it is written down: the reads stay undelivered, and come again once the fault is mended.
        excess = self._watch.excess(submission.count, _indexes(receipt))
        if excess:
            raise LineStoppedError(f"{excess}; find out why, then restart the bridge")

    def _count(self, submission: Submission, receipt: Receipt) -> None:
        self._watch.count(submission.count, _indexes(receipt))
        _forwarded.add(receipt.accepted + receipt.duplicate, self._labels)
        _receipts.add(1, self._labels)
        if receipt.refusals:
            _refused.add(len(receipt.refusals), self._labels)

    async def _wait_after(self, error: DestinationAwayError, claim: Claim, head: int) -> None:
        wait = self._away.next_wait(error.retry_after)
        _retries.add(1, self._labels)
        _log.warning("delivery failed", extra={**self._about(error, wait), "said": str(error)})
        await claim.note_state(State.RETRYING, str(error), head)
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


def _indexes(receipt: Receipt) -> list[int]:
    return sorted(refusal.index for refusal in receipt.refusals)


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
