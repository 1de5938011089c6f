"""Making reads and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gantry.common.v1.read_pb2 import Position, ReadDetails
from gantry.ingest.v1.ingest_pb2 import StreamReadsRequest, SubmittedRead
from google.protobuf.timestamp_pb2 import Timestamp

from gantry_sdk import checks
from gantry_sdk.errors import BatchTooLarge


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
    degrees; leave the position out for a fixed camera. Images are JPEG. Raises TypeError for an argument of
    another type, and ValueError for a datetime without a time zone, for a time in another unit, for a heading
    out of 0 to 359, or for a latitude without a longitude. The server judges everything else.
    """
    if (latitude is None) != (longitude is None):
        raise ValueError("give both latitude and longitude, or neither")
    seconds, micros = divmod(checks.microseconds(captured_at), 1_000_000)
    position = None
    if latitude is not None and longitude is not None:
        position = Position(
            latitude=checks.number(latitude, "latitude"), longitude=checks.number(longitude, "longitude")
        )
    return SubmittedRead(
        camera_id=checks.text(camera_id, "camera_id"),
        read_id=checks.text(read_id, "read_id"),
        captured_at=Timestamp(seconds=seconds, nanos=micros * 1000),
        vrm=checks.text(vrm, "vrm"),
        confidence=checks.number(confidence, "confidence"),
        position=position,
        heading=None if heading is None else checks.course(heading),
        details=checks.details(details),
        plate_patch=checks.picture(plate_patch, "plate_patch"),
        overview=checks.picture(overview, "overview"),
        force=checks.text(force, "force"),
    )


def prepare(reads: Sequence[SubmittedRead]) -> PreparedBatch:
    """Serialise reads, for example in another thread or once for many sends.

    Raises TypeError for anything else than a list of reads.
    """
    return _serialised(checks.batch(reads))


def _serialised(reads: Sequence[SubmittedRead]) -> PreparedBatch:
    return PreparedBatch(StreamReadsRequest(reads=reads).SerializeToString(), len(reads))


def request_of(sequence: int, batch: PreparedBatch, traceparent: str) -> bytes:
    """A serialised StreamReadsRequest. Protobuf merges the concatenated parts of a message."""
    return StreamReadsRequest(sequence=sequence, traceparent=traceparent).SerializeToString() + batch.body


def split(reads: Sequence[SubmittedRead], most_reads: int, most_bytes: int) -> Iterator[PreparedBatch]:
    """Cut reads into batches within the server's limits. Raises BatchTooLarge for a read too large alone."""
    for start in range(0, len(reads), most_reads):
        yield from _halved(reads[start : start + most_reads], most_bytes)


def _halved(reads: Sequence[SubmittedRead], most_bytes: int) -> Iterator[PreparedBatch]:
    batch = _serialised(reads)
    if len(batch.body) <= most_bytes:
        yield batch
    elif len(reads) == 1:
        raise BatchTooLarge(f"one read takes {len(batch.body)} bytes; the server's limit is {most_bytes}")
    else:
        middle = len(reads) // 2
        yield from _halved(reads[:middle], most_bytes)
        yield from _halved(reads[middle:], most_bytes)
