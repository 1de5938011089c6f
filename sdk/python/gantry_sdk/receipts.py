"""The server's verdict on a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gantry.ingest.v1.ingest_pb2 import (
    Rejection,
    RejectionReason,
    Warning,  # noqa: A004 - the contract's word
    WarningReason,
)

_REJECTIONS: Final = {
    number: name.removeprefix("REJECTION_REASON_") for name, number in RejectionReason.items()
}
_WARNINGS: Final = {number: name.removeprefix("WARNING_REASON_") for name, number in WarningReason.items()}


@dataclass(slots=True)
class Receipt:
    """The verdict on one batch: accepted + duplicate + len(rejections) == reads.

    Accepted and duplicate reads are on durable storage. A rejected read will be rejected again.
    """

    tag: object
    """The tag given to `send` with the batch."""
    sequence: int
    """The batch's number in its stream."""
    offset: int
    """Index of the batch's first read among the reads given to `send`; not 0 when they were split."""
    reads: int
    """Reads in the batch."""
    accepted: int
    """Reads that are durable now for the first time."""
    duplicate: int
    """Reads that were durable already."""
    rejections: Sequence[Rejection]
    """Why which read was refused; its `index` counts from the batch's first read."""
    warnings: Sequence[Warning]
    """Remarks on durable reads: a picture was left out, the place is doubtful, a duplicate differs, ..."""
    seconds: float
    """From the first attempt to send it to the acknowledgement."""


def reason_name(remark: Rejection | Warning) -> str:
    """The reason of a rejection or warning as a word, for example VRM_EMPTY.

    Its number when the server is newer than this SDK.
    """
    if isinstance(remark, Rejection):
        return _REJECTIONS.get(remark.reason, str(remark.reason))
    return _WARNINGS.get(remark.reason, str(remark.reason))


def remark_text(remark: Rejection | Warning) -> str:
    """A rejection or warning as one line for a log: reason, field, sentence. It never has the plate.

    A reason that this SDK does not know is shown by its number, and with the sentence of the server.
    """
    parts = (reason_name(remark), remark.field, remark.message)
    return ": ".join(filter(None, parts))
