"""One delivery: hand over, and trust no receipt that does not add up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from services.nas_bridge.destination import (
    Destination,
    DestinationAwayError,
    Receipt,
    Submission,
    SubmissionRefusedError,
)
from services.nas_bridge.intake import Parcel
from services.nas_bridge.records import Claim, Delivery, RefusedRead, Route

_REASON_CHARACTERS: Final = 100
_MESSAGE_CHARACTERS: Final = 500
_REFUSED_ALONE: Final = "The destination refused the submission also when it held nothing but this read."
_GRACE_SECONDS: Final = 1.0

T = TypeVar("T")

_log = logging.getLogger(__name__)


def submission_of(route: Route, parcel: Parcel) -> Submission:
    """The parcel as a submission, named by its place in the log so that a repeat has the same name."""
    first, last = _reach(parcel)
    runs = [batch.reads for batch in parcel.batches]
    return Submission(route.force, f"{route.force}/{route.destination}/{first}-{last}", runs)


async def hand_over(destination: Destination, submission: Submission, seconds: float) -> Receipt:
    """Deliver within a time. Raises DestinationAwayError for whatever is not a sound receipt."""
    try:
        async with asyncio.timeout(seconds + _GRACE_SECONDS):
            receipt = await destination.deliver(submission)
    except DestinationAwayError:
        raise
    except TimeoutError:
        raise DestinationAwayError(f"no answer within {seconds:g} s") from None
    except Exception as error:
        # An adapter's bug must not stop the others; its text stays out, since it could quote a read.
        _log.error("a destination's adapter failed", extra={"error": type(error).__name__})
        raise DestinationAwayError(f"the adapter failed ({type(error).__name__})") from error
    _check(receipt, submission.count)
    return receipt


@dataclass
class Way:
    """How far a parcel has come: the cursor as it is written down, and reads condemned since then."""

    claim: Claim
    cursor: int
    condemned: list[RefusedRead] = field(default_factory=list)


def delivery_of(
    way: Way, parcel: Parcel, submission: Submission, receipt: Receipt, traceparent: str
) -> Delivery:
    """What is written down of a delivery; the reads that were condemned before it go with it."""
    first, last = _reach(parcel)
    condemned = way.condemned
    return Delivery(
        before=way.cursor,
        after=parcel.position,
        head=parcel.head,
        receipt_id=receipt.receipt_id,
        first_position=condemned[0].position if condemned else first,
        last_position=last,
        accepted=receipt.accepted,
        duplicate=receipt.duplicate,
        refused=[*condemned, *_refused_reads(parcel, submission, receipt)],
        traceparent=traceparent,
    )


def condemned_only(way: Way, parcel: Parcel) -> Delivery:
    """What is written down at a parcel's end of reads that no receipt names."""
    return Delivery(
        before=way.cursor,
        after=parcel.position,
        head=parcel.head,
        receipt_id="",
        first_position=way.condemned[0].position,
        last_position=way.condemned[-1].position,
        accepted=0,
        duplicate=0,
        refused=list(way.condemned),
        traceparent="",
    )


def condemned_read(submission: Submission, parcel: Parcel, error: SubmissionRefusedError) -> RefusedRead:
    """The only read of a parcel that the destination would not even look at."""
    return RefusedRead(
        _reach(parcel)[0], submission.name_of(0), error.reason[:_REASON_CHARACTERS], _REFUSED_ALONE
    )


def indexes_of(way: Way, receipt: Receipt) -> list[int]:
    """Which reads were refused, ascending, counted from the first one condemned."""
    before = len(way.condemned)
    return [*range(before), *sorted(before + refusal.index for refusal in receipt.refusals)]


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`; when cancelled, let it end first, so that what was taken is also written down.

    A second cancellation gives up on it.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([task])
        finally:
            if not task.cancel() and not task.cancelled():
                task.exception()  # seen: the cancellation matters more
        raise


def _reach(parcel: Parcel) -> tuple[int, int]:
    return parcel.batches[0].positions[0], parcel.batches[-1].positions[-1]


def _check(receipt: Receipt, count: int) -> None:
    indexes = [refusal.index for refusal in receipt.refusals]
    adds_up = receipt.accepted + receipt.duplicate + len(indexes) == count
    sound = all(0 <= index < count for index in indexes) and len(set(indexes)) == len(indexes)
    if not adds_up or not sound:
        raise DestinationAwayError("the receipt does not add up to the reads that were sent")


def _refused_reads(parcel: Parcel, submission: Submission, receipt: Receipt) -> list[RefusedRead]:
    if not receipt.refusals:
        return []
    positions = [position for batch in parcel.batches for position in batch.positions]
    return [
        RefusedRead(
            positions[refusal.index],
            submission.name_of(refusal.index),
            refusal.reason[:_REASON_CHARACTERS],
            refusal.message[:_MESSAGE_CHARACTERS],
        )
        for refusal in sorted(receipt.refusals, key=lambda refusal: refusal.index)
    ]
