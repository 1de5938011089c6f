"""Why a read is rejected: the reason, the field, and a sentence for a person. Never the plate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gantry.ingest.v1 import ingest_pb2 as pb


@dataclass(frozen=True, slots=True)
class Cause:
    """A rejection reason of the contract, with the field at fault and a sentence."""

    reason: pb.RejectionReason.ValueType
    field: str
    message: str

    def at(self, index: int) -> pb.Rejection:
        """The rejection of the batch's read with this index."""
        return pb.Rejection(index=index, reason=self.reason, field=self.field, message=self.message)


class ReadRejected(Exception):  # noqa: N818 - a verdict, not an error
    """A read is rejected, for `cause`."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.field)
        self.cause = cause


MALFORMED: Final = Cause(
    pb.REJECTION_REASON_MALFORMED, "", "the bytes of this read are not a SubmittedRead; repair the client"
)
VRM_EMPTY: Final = Cause(
    pb.REJECTION_REASON_VRM_EMPTY, "vrm", "there is no VRM; send reads only when a plate was recognised"
)
VRM_NOT_READ: Final = Cause(
    pb.REJECTION_REASON_VRM_NOT_READ,
    "vrm",
    "this is a word for a plate that was not read; send reads only when a plate was recognised",
)
TIME_INVALID: Final = Cause(
    pb.REJECTION_REASON_TIME_INVALID, "captured_at", "captured_at is missing or no valid time; set it in UTC"
)
TIME_IN_FUTURE: Final = Cause(
    pb.REJECTION_REASON_TIME_IN_FUTURE,
    "captured_at",
    "captured_at is more than 5 minutes ahead of the server; set the camera's clock",
)
TIME_TOO_OLD: Final = Cause(
    pb.REJECTION_REASON_TIME_TOO_OLD, "captured_at", "captured_at is before 1990; set the camera's clock"
)
CAMERA_UNKNOWN: Final = Cause(
    pb.REJECTION_REASON_CAMERA_UNKNOWN,
    "camera_id",
    "this camera is not enrolled on this feed; ask the force's ANPR engineer to enrol it",
)
CAMERA_DISABLED: Final = Cause(
    pb.REJECTION_REASON_CAMERA_DISABLED,
    "camera_id",
    "this camera is switched off in the registry; ask the force's ANPR engineer",
)
WRONG_FORCE: Final = Cause(
    pb.REJECTION_REASON_WRONG_FORCE,
    "force",
    "the read names another force than the one this feed belongs to; use that force's feed",
)
POSITION_INVALID: Final = Cause(
    pb.REJECTION_REASON_POSITION_INVALID,
    "position",
    "latitude should be -90 to 90 and longitude -180 to 180 degrees, and no eastings and northings; "
    "leave the position out if not known",
)
CONFIDENCE_INVALID: Final = Cause(
    pb.REJECTION_REASON_CONFIDENCE_INVALID, "confidence", "confidence should be a number from 0 to 1"
)
HEADING_INVALID: Final = Cause(
    pb.REJECTION_REASON_HEADING_INVALID,
    "heading",
    "heading should be 0 to 359 degrees; leave it out if not known",
)
READ_ID_INVALID: Final = Cause(
    pb.REJECTION_REASON_READ_ID_INVALID, "read_id", "read_id should be 1 to 128 printable characters"
)


def vrm_invalid(oddity: str) -> Cause:
    """The cause when a text is no VRM. `oddity` says what is odd, without the text."""
    return Cause(pb.REJECTION_REASON_VRM_INVALID, "vrm", oddity)


def vrm_mangled(cause: str) -> Cause:
    """The cause when a tool made something else of a VRM."""
    return Cause(pb.REJECTION_REASON_VRM_MANGLED, "vrm", cause)


def details_invalid(fault: str) -> Cause:
    """The cause when one thing in the details is wrong."""
    return Cause(pb.REJECTION_REASON_DETAILS_INVALID, "details", fault)


def not_utf8(field: str) -> Cause:
    """The cause when the text `field` is not UTF-8."""
    sentence = f"{field} is not valid UTF-8; encode texts as UTF-8"
    return Cause(pb.REJECTION_REASON_NOT_UTF8, field, sentence)
