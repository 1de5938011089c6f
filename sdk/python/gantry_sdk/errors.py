"""The errors, and whether waiting helps."""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_status import rpc_status

_TRANSIENT: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)


class FeedError(Exception):
    """A call that failed at the server or on the way to it.

    `reason` is a code from the contract, for example TOKEN_UNKNOWN; where there was no connection one of
    CERTIFICATE_NOT_TRUSTED, SERVER_NAME_WRONG, AUTHORITY_INVALID, NOT_TLS, NAME_NOT_RESOLVED and
    SERVER_UNREACHABLE; CONNECTION_LOST where it ended while something was being sent; else the name of the
    gRPC status. `retry_after` is the wait in seconds that the server asked for, or None.
    """

    def __init__(
        self, status: grpc.StatusCode, reason: str, message: str, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class FeedUnavailable(FeedError):  # noqa: N818 - names what happened
    """The server could not be reached, or not do it now. Keep the reads and try again."""


class ServerNotTrusted(FeedUnavailable):
    """No connection: the server's certificate, its name or the given authority is wrong.

    Waiting does not help: a person has to correct this here or at the server. Keep the reads.
    """


class FeedRefused(FeedError):  # noqa: N818 - names what happened
    """The server will never take this: the token or the message is wrong. Trying again is useless."""


class BatchTooLarge(FeedRefused):
    """One read, or a prepared batch, is larger than a message that the server accepts."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", message)


# How gRPC's texts say why there is no connection; the first that fits.
_NO_CONNECTION: Final = (
    ("CERTIFICATE_VERIFY_FAILED", "CERTIFICATE_NOT_TRUSTED"),
    ("Hostname Verification Check failed", "SERVER_NAME_WRONG"),
    ("Failed to create security handshaker", "AUTHORITY_INVALID"),
    ("WRONG_VERSION_NUMBER", "NOT_TLS"),
    ("errors resolving", "NAME_NOT_RESOLVED"),
    ("DNS resolution failed", "NAME_NOT_RESOLVED"),
    ("failed to connect to all addresses", "SERVER_UNREACHABLE"),
)
_UNTRUSTED: Final = frozenset(
    {"CERTIFICATE_NOT_TRUSTED", "SERVER_NAME_WRONG", "AUTHORITY_INVALID", "NOT_TLS"}
)


# What our own gRPC says, and no server, when a connection ends while it sends.
_LOST: Final = (grpc.StatusCode.INTERNAL, "Internal error from Core")


def feed_error(error: grpc.aio.AioRpcError) -> FeedError:
    """The error that a failed call means."""
    status, text = error.code(), error.details() or "the server gave no details"
    reason, retry_after = _details_of(error)
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED and retry_after is None and not reason:
        # The transport answers so when a message exceeds the server's limit. It will exceed it next time too.
        return BatchTooLarge(text)
    if (status, text) == _LOST and not reason:
        lost = "the connection ended while something was being sent"
        return FeedUnavailable(grpc.StatusCode.UNAVAILABLE, "CONNECTION_LOST", lost)
    if status is grpc.StatusCode.UNAVAILABLE and not reason:
        return _no_connection(text)
    kind = FeedUnavailable if status in _TRANSIENT else FeedRefused
    return kind(status, reason or status.name, text, retry_after)


def _no_connection(text: str) -> FeedUnavailable:
    status = grpc.StatusCode.UNAVAILABLE
    reason = next((reason for sign, reason in _NO_CONNECTION if sign in text), status.name)
    kind = ServerNotTrusted if reason in _UNTRUSTED else FeedUnavailable
    return kind(status, reason, text)


def _details_of(error: grpc.aio.AioRpcError) -> tuple[str, float | None]:
    """ErrorInfo.reason, "" when absent, and RetryInfo in seconds. Unreadable details count as absent."""
    info, retry, retry_after = ErrorInfo(), RetryInfo(), None
    try:
        status = rpc_status.from_call(error)
        for detail in status.details if status is not None else ():
            detail.Unpack(info)
            if detail.Unpack(retry):
                retry_after = retry.retry_delay.ToNanoseconds() / 1e9
    except (DecodeError, ValueError):
        return "", None
    return info.reason, retry_after
