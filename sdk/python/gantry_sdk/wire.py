"""The little of the protobuf wire format that is read or written by hand.

google.rpc's messages come in a package of their own; two fields of them are not worth a dependency.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from google.protobuf.any_pb2 import Any as PackedDetail
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

_LENGTH_DELIMITED: Final = 2
_SKIPPED: Final = {1: 8, 5: 4}
_STATUS_DETAILS: Final = 3
_SEQUENCE_TAG: Final = b"\x08"
_TRACEPARENT_TAG: Final = b"\x1a"


class StatusDetails(NamedTuple):
    """What a ``google.rpc.Status`` says beyond its text: ErrorInfo.reason, and RetryInfo in seconds."""

    reason: str
    retry_after: float | None


def varint(number: int) -> bytes:
    """An unsigned number as protobuf writes it."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def stream_request(sequence: int, reads: bytes, traceparent: str) -> bytes:
    """A StreamReadsRequest around reads that are serialised already."""
    if not traceparent:
        return b"".join((_SEQUENCE_TAG, varint(sequence), reads))
    trace = traceparent.encode()
    return b"".join((_SEQUENCE_TAG, varint(sequence), reads, _TRACEPARENT_TAG, varint(len(trace)), trace))


def status_details(encoded: bytes) -> StatusDetails:
    """Read a serialised ``google.rpc.Status``; what cannot be read counts as not said."""
    reason, retry_after = "", None
    try:
        for number, value in _fields(encoded):
            if number == _STATUS_DETAILS:
                detail = PackedDetail.FromString(value)
                if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                    reason = _first(detail.value).decode()
                elif detail.type_url.endswith("/google.rpc.RetryInfo"):
                    retry_after = Duration.FromString(_first(detail.value)).ToNanoseconds() / 1e9
    except (DecodeError, UnicodeDecodeError, IndexError, ValueError):
        return StatusDetails(reason, retry_after)
    return StatusDetails(reason, retry_after)


def _first(message: bytes) -> bytes:
    return next((value for number, value in _fields(message) if number == 1), b"")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message; numbers are skipped."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _LENGTH_DELIMITED:
            length, at = _read_varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        elif kind == 0:
            _, at = _read_varint(message, at)
        else:
            if kind not in _SKIPPED:
                raise ValueError("not a protobuf message")
            at += _SKIPPED[kind]


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
