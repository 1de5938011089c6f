"""Making reads and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from gantry.common.v1.read_pb2 import Position, ReadDetails
from gantry.ingest.v1.ingest_pb2 import StreamReadsRequest, SubmittedRead
from google.protobuf.timestamp_pb2 import Timestamp

from gantry_sdk.errors import BatchTooLarge

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """Reads serialised once, to be sent as often as needed. Make it with `prepare`."""

    body: bytes
    """The `reads` field of a StreamReadsRequest."""
    count: int
    """How many reads it holds."""


def read(
    *,
    camera_id: str,
    read_id: str,
    captured_at: datetime | int,
    vrm: str,
    confidence: float = 1.0,
    latitude: float | None = None,
    longitude: float | None = None,
    heading: int | None = None,
    details: ReadDetails | None = None,
    plate_patch: bytes = b"",
    overview: bytes = b"",
    force: str = "",
) -> SubmittedRead:
    """A read to send.

    `captured_at` is an aware datetime, or whole microseconds since 1970-01-01T00:00:00Z. Angles are in
    degrees; leave the position out for a fixed camera. Images are JPEG. Raises ValueError for a datetime
    without a time zone, or a latitude without a longitude.
    """
    if (latitude is None) != (longitude is None):
        raise ValueError("give both latitude and longitude, or neither")
    seconds, micros = divmod(_microseconds(captured_at), 1_000_000)
    position = None
    if latitude is not None and longitude is not None:
        position = Position(latitude=latitude, longitude=longitude)
    return SubmittedRead(
        camera_id=camera_id,
        read_id=read_id,
        captured_at=Timestamp(seconds=seconds, nanos=micros * 1000),
        vrm=vrm,
        confidence=confidence,
        position=position,
        heading=heading,
        details=details,
        plate_patch=plate_patch,
        overview=overview,
        force=force,
    )


def prepare(reads: Sequence[SubmittedRead]) -> PreparedBatch:
    """Serialise reads, for example in another thread or once for many sends."""
    return PreparedBatch(StreamReadsRequest(reads=reads).SerializeToString(), len(reads))


def request_of(sequence: int, batch: PreparedBatch, traceparent: str) -> bytes:
    """A serialised StreamReadsRequest. Protobuf merges the concatenated parts of a message."""
    return StreamReadsRequest(sequence=sequence, traceparent=traceparent).SerializeToString() + batch.body


def split(reads: Sequence[SubmittedRead], most_reads: int, most_bytes: int) -> Iterator[PreparedBatch]:
    """Cut reads into batches within the server's limits. Raises BatchTooLarge for a read too large alone."""
    for start in range(0, len(reads), most_reads):
        yield from _halved(reads[start : start + most_reads], most_bytes)


def _halved(reads: Sequence[SubmittedRead], most_bytes: int) -> Iterator[PreparedBatch]:
    batch = prepare(reads)
    if len(batch.body) <= most_bytes:
        yield batch
    elif len(reads) == 1:
        raise BatchTooLarge(f"one read takes {len(batch.body)} bytes; the server's limit is {most_bytes}")
    else:
        middle = len(reads) // 2
        yield from _halved(reads[:middle], most_bytes)
        yield from _halved(reads[middle:], most_bytes)


def _microseconds(moment: datetime | int) -> int:
    if isinstance(moment, int):
        return moment
    if moment.tzinfo is None:
        raise ValueError("captured_at needs a time zone; use datetime.now(UTC)")
    return (moment - _EPOCH) // _MICROSECOND
