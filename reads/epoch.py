"""Conversions of the log's times, which are microseconds since 1970-01-01T00:00:00Z. They are exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time zero."""

_MICROSECOND: Final = timedelta(microseconds=1)


def moment(us: int) -> datetime:
    """The time in UTC that is `us` microseconds after the epoch."""
    return EPOCH + timedelta(microseconds=us)


def microseconds(at: datetime) -> int:
    """Microseconds from the epoch to an aware time."""
    return (at - EPOCH) // _MICROSECOND


def timestamp(at: datetime | int) -> Timestamp:
    """The time as contracts carry it, from an aware time or from microseconds since the epoch."""
    stamp = Timestamp()
    stamp.FromMicroseconds(at if isinstance(at, int) else microseconds(at))
    return stamp
