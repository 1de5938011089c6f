"""One delivery: send a submission, check its receipt, and build its record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from following import Move, Part
from reads.appended import Appended
from reads.read import ReadIdentity
from services.nas_bridge.destinations.adapter import (
    DeliveryFailedError,
    Destination,
    Receipt,
    Submission,
    SubmissionRefusedError,
)
from services.nas_bridge.destinations.destination import Route

_REASON_CHARACTERS: Final = 100
_MESSAGE_CHARACTERS: Final = 500
_REFUSED_ALONE: Final = "The destination refused the submission also when it held nothing but this read."
# An adapter has its own time-out; this one is for adapters that do not keep it.
_GRACE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RefusedRead:
    """A read that a destination refused for good."""

    position: int
    identity: ReadIdentity
    reason: str
    message: str


@dataclass(frozen=True)
class Delivery:
    """The record of a delivery: a receipt for a range of positions, and the reads refused in it."""

    receipt_id: str
    first_position: int
    last_position: int
    accepted: int
    duplicate: int
    refused: Sequence[RefusedRead]
    traceparent: str


class Deliveries(Protocol):
    """The stored deliveries."""

    async def record(self, move: Move, delivery: Delivery) -> bool:
        """Write receipt, dead letters and cursor in one transaction. False: fenced, nothing was written."""


def submission_of(route: Route, part: Part[Appended]) -> Submission:
    """The part as a submission. Its name is made of positions, so a repeat has the same name."""
    first, last = part.items[0].first, part.items[-1].last
    return Submission(route.force, f"{route.force}/{route.destination}/{first}-{last}", part.items)


async def send(destination: Destination, submission: Submission, seconds: float) -> Receipt:
    """Deliver within a time and check the receipt. Raises DeliveryFailedError for any other outcome."""
    try:
        async with asyncio.timeout(seconds + _GRACE_SECONDS):
            receipt = await destination.deliver(submission)
    except DeliveryFailedError:
        raise
    except TimeoutError:
        raise DeliveryFailedError(f"no answer within {seconds:g} s") from None
    except Exception as error:
        # A bug in an adapter must not stop other destinations. Its text is left out: it could quote a read.
        _log.error("a destination's adapter failed", extra={"error": type(error).__name__})
        raise DeliveryFailedError(f"the adapter failed ({type(error).__name__})") from error
    _check(receipt, submission.count)
    return receipt


def delivery_of(
    submission: Submission, receipt: Receipt, refused_before: Sequence[RefusedRead], traceparent: str
) -> Delivery:
    """The record of a receipt. It includes reads that were refused alone just before."""
    return Delivery(
        receipt_id=receipt.receipt_id,
        first_position=refused_before[0].position if refused_before else submission.runs[0].first,
        last_position=submission.runs[-1].last,
        accepted=receipt.accepted,
        duplicate=receipt.duplicate,
        refused=[*refused_before, *_refused_reads(submission, receipt)],
        traceparent=traceparent,
    )


def refusals_only(refused: Sequence[RefusedRead]) -> Delivery:
    """The record of reads that were refused alone, without a receipt after them."""
    return Delivery(
        receipt_id="",
        first_position=refused[0].position,
        last_position=refused[-1].position,
        accepted=0,
        duplicate=0,
        refused=refused,
        traceparent="",
    )


def refused_alone(submission: Submission, error: SubmissionRefusedError) -> RefusedRead:
    """The only read of a submission that the destination refused as a whole."""
    return RefusedRead(
        submission.position_of(0),
        submission.identity_of(0),
        error.reason[:_REASON_CHARACTERS],
        _REFUSED_ALONE,
    )


def _check(receipt: Receipt, count: int) -> None:
    indexes = [refusal.index for refusal in receipt.refusals]
    adds_up = receipt.accepted + receipt.duplicate + len(indexes) == count
    sound = all(0 <= index < count for index in indexes) and len(set(indexes)) == len(indexes)
    if not adds_up or not sound:
        raise DeliveryFailedError("the receipt does not add up to the reads that were sent")


def _refused_reads(submission: Submission, receipt: Receipt) -> list[RefusedRead]:
    return [
        RefusedRead(
            submission.position_of(refusal.index),
            submission.identity_of(refusal.index),
            refusal.reason[:_REASON_CHARACTERS],
            refusal.message[:_MESSAGE_CHARACTERS],
        )
        for refusal in sorted(receipt.refusals, key=lambda refusal: refusal.index)
    ]
