"""The one coded error that crosses the wire, and its round trip through ``google.rpc.Status``.

A handler raises a `Fault`; the server encodes it; `fault_from` turns what the client caught back into
the same `Fault`. Only errors that a caller must tell apart deserve a reason of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as PackedDetail
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DOMAIN: Final = "gantry"
DETAILS_KEY: Final = "grpc-status-details-bin"
INTERNAL_TEXT: Final = "internal error; see the service log"

_STATUS_BY_NUMBER: Final = {status.value[0]: status for status in grpc.StatusCode}
TRANSIENT_STATUSES: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        # A stopping server cancels the calls that are still under way after the drain.
        grpc.StatusCode.CANCELLED,
    }
)


class StartupFailure(Exception):  # noqa: N818 - it is a failure to start, not an error of a caller
    """The service cannot start; the text is one sentence for the person who starts it."""


class Fault(Exception):  # noqa: N818 - the word for what crosses the wire
    """An error with a canonical gRPC status and a documented reason.

    `retry_after` is in seconds; `field` names the request field at fault; `metadata` holds short
    facts a program may read. None of them, nor `message`, may carry a VRM or a person's name.
    """

    def __init__(
        self,
        status: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        retry_after: float | None = None,
        field: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.field = field
        self.metadata: dict[str, str] = dict(metadata or {})

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed later. `is_transient` covers other errors too."""
        return self.status in TRANSIENT_STATUSES


class _FixedStatusFault(Fault):
    fixed_status: grpc.StatusCode

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        retry_after: float | None = None,
        field: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            self.fixed_status, reason, message, retry_after=retry_after, field=field, metadata=metadata
        )


class InvalidInput(_FixedStatusFault):
    """The request itself is wrong; the same request will never succeed."""

    fixed_status = grpc.StatusCode.INVALID_ARGUMENT


class NotFound(_FixedStatusFault):
    """The object of the request does not exist, or this caller may not see it."""

    fixed_status = grpc.StatusCode.NOT_FOUND


class AlreadyExists(_FixedStatusFault):
    """An object of this name exists already, with other content."""

    fixed_status = grpc.StatusCode.ALREADY_EXISTS


class Forbidden(_FixedStatusFault):
    """The caller is authenticated and not allowed to do this."""

    fixed_status = grpc.StatusCode.PERMISSION_DENIED


class Unauthenticated(_FixedStatusFault):
    """The caller did not prove who it is."""

    fixed_status = grpc.StatusCode.UNAUTHENTICATED


class Unavailable(_FixedStatusFault):
    """Something that the call needs is unavailable. Try again after `retry_after`."""

    fixed_status = grpc.StatusCode.UNAVAILABLE


class Exhausted(_FixedStatusFault):
    """A limit is reached: slow down, or free something."""

    fixed_status = grpc.StatusCode.RESOURCE_EXHAUSTED


class Conflict(_FixedStatusFault):
    """The system is not in the state that this request needs."""

    fixed_status = grpc.StatusCode.FAILED_PRECONDITION


class OutOfRange(_FixedStatusFault):
    """The requested position does not exist, for example because it was purged."""

    fixed_status = grpc.StatusCode.OUT_OF_RANGE


class Aborted(_FixedStatusFault):
    """Another change came first. Repeat the whole work."""

    fixed_status = grpc.StatusCode.ABORTED


_TYPE_BY_STATUS: Final = {kind.fixed_status: kind for kind in _FixedStatusFault.__subclasses__()}


def encode_fault(fault: Fault) -> bytes:
    """A serialized ``google.rpc.Status`` with all data of the fault."""
    status = status_pb2.Status(code=fault.status.value[0], message=fault.message)
    info = error_details_pb2.ErrorInfo(reason=fault.reason, domain=DOMAIN, metadata=fault.metadata)
    status.details.add().Pack(info)
    if fault.field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=fault.field, description=fault.message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if fault.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(round(fault.retry_after * 1e9))
        status.details.add().Pack(retry)
    return bytes(status.SerializeToString())


def fault_from(error: grpc.aio.AioRpcError) -> Fault:
    """The fault that the far side raised.

    A failure without our details (made by gRPC itself, a proxy, or a bug over there) gets the name of its
    status as reason, for example UNAVAILABLE or DEADLINE_EXCEEDED.
    """
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return _decode_fault(error.code(), value) or _bare_fault(error)
    return _bare_fault(error)


def fault_from_status(status: status_pb2.Status) -> Fault:
    """The fault that a ``google.rpc.Status`` inside a message describes."""
    info, field, retry_after = error_details_pb2.ErrorInfo(), None, None
    for detail in status.details:
        detail.Unpack(info)
        field = _field_of(detail) or field
        retry_after = _retry_of(detail) if retry_after is None else retry_after
    code = _STATUS_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    reason = info.reason or code.name
    return make_fault(
        code, reason, status.message, retry_after=retry_after, field=field, metadata=info.metadata
    )


def make_fault(
    status: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    retry_after: float | None = None,
    field: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Fault:
    """A fault of the subclass that belongs to `status`, or a plain `Fault` when none does."""
    kind = _TYPE_BY_STATUS.get(status)
    if kind is None:
        return Fault(status, reason, message, retry_after=retry_after, field=field, metadata=metadata)
    return kind(reason, message, retry_after=retry_after, field=field, metadata=metadata)


def _decode_fault(code: grpc.StatusCode, encoded: bytes) -> Fault | None:
    try:
        status = status_pb2.Status.FromString(encoded)
    except DecodeError:
        return None
    # gRPC acts on the status line, so it takes precedence over the details.
    status.code = code.value[0]
    return fault_from_status(status)


def _bare_fault(error: grpc.aio.AioRpcError) -> Fault:
    return make_fault(error.code(), error.code().name, error.details() or "no details given")


def _field_of(detail: PackedDetail) -> str | None:
    request = error_details_pb2.BadRequest()
    if detail.Unpack(request) and request.field_violations:
        return str(request.field_violations[0].field)
    return None


def _retry_of(detail: PackedDetail) -> float | None:
    retry = error_details_pb2.RetryInfo()
    return retry.retry_delay.ToNanoseconds() / 1e9 if detail.Unpack(retry) else None
