"""Checks one read exactly: the values that the log keeps, or why the read is rejected.

Small batches are checked here read by read. Large ones are checked by columns (see `batch`); when that finds
anything wrong, the batch is checked here too. Both keep the same values of the same read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gantry.common.v1.read_pb2 import Direction, ReadDetails
from gantry.ingest.v1.ingest_pb2 import SubmittedRead

from anpr.identifiers import is_read_id
from anpr.vrm import VrmEmpty, VrmInvalid, normalise
from reads.columns import HEADING_UNKNOWN
from reads.read import e7
from services.ingest.cameras.feeds import Camera, Feed
from services.ingest.checking import rejections
from services.ingest.checking.rejections import ReadRejected

OLDEST_US: Final = 631_152_000_000_000
"""1990-01-01T00:00:00Z in microseconds since 1970. Earlier capture times are rejected."""

AHEAD_US: Final = 300_000_000
"""How far ahead of the server's clock a capture time may be, in microseconds."""

MOST_HEADING: Final = 359
MOST_DETAILS_BYTES: Final = 512
_TOO_MUCH: Final = f"details should be at most {MOST_DETAILS_BYTES} bytes, serialised; shorten its texts"
MOST_LANE: Final = 32
MOST_SPEED_KPH: Final = 500.0
MOST_NANOS: Final = 999_999_999
# The years 1 and 9999: what a Timestamp may hold at all.
_LEAST_SECONDS, _MOST_SECONDS = -62_135_596_800, 253_402_300_799
DIRECTIONS: Final = frozenset(Direction.values())

Row = tuple[str, str, int, str, float, int, int, int, bytes, bytes, bytes]
"""camera_id, read_id, captured_at_us, vrm, confidence, latitude_e7, longitude_e7, heading, details,
plate_patch, overview: one read in the order and with the placeholders of the columns."""


def checked_row(read: SubmittedRead, feed: Feed, latest_us: int) -> Row:
    """The row of a read. `latest_us` is the latest capture time accepted. Raises ReadRejected."""
    if (force := read.force) and force != feed.force:
        raise ReadRejected(rejections.WRONG_FORCE)
    camera = feed.enabled.get(read.camera_id)
    if camera is None:
        known = read.camera_id in feed.cameras
        raise ReadRejected(rejections.CAMERA_DISABLED if known else rejections.CAMERA_UNKNOWN)
    read_id, confidence = read.read_id, read.confidence
    if not is_read_id(read_id):
        raise ReadRejected(rejections.READ_ID_INVALID)
    if not 0.0 <= confidence <= 1.0:
        raise ReadRejected(rejections.CONFIDENCE_INVALID)
    return (
        camera.camera_id,
        read_id,
        _captured_us(read, latest_us),
        _vrm(read),
        confidence,
        *_place(read, camera),
        _heading(read),
        _details(read) if read.HasField("details") else b"",
        read.plate_patch,
        read.overview,
    )


def _captured_us(read: SubmittedRead, latest_us: int) -> int:
    captured = read.captured_at
    seconds, nanos = captured.seconds, captured.nanos
    if not (0 <= nanos <= MOST_NANOS and _LEAST_SECONDS <= seconds <= _MOST_SECONDS):
        raise ReadRejected(rejections.TIME_INVALID)
    # Finer digits are cut off, never rounded: a read must keep its identity whenever it is sent again.
    micros = seconds * 1_000_000 + nanos // 1000
    if OLDEST_US <= micros <= latest_us:
        return micros
    if micros > latest_us:
        raise ReadRejected(rejections.TIME_IN_FUTURE)
    raise ReadRejected(rejections.TIME_TOO_OLD if read.HasField("captured_at") else rejections.TIME_INVALID)


def _vrm(read: SubmittedRead) -> str:
    try:
        return normalise(read.vrm)
    except VrmEmpty:
        raise ReadRejected(rejections.VRM_EMPTY) from None
    except VrmInvalid:
        raise ReadRejected(rejections.VRM_INVALID) from None


def _place(read: SubmittedRead, camera: Camera) -> tuple[int, int]:
    if not read.HasField("position"):
        return camera.latitude_e7, camera.longitude_e7
    latitude, longitude = read.position.latitude, read.position.longitude
    if -90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0:
        return e7(latitude), e7(longitude)
    raise ReadRejected(rejections.POSITION_INVALID)


def _heading(read: SubmittedRead) -> int:
    heading = read.heading
    if heading > MOST_HEADING:
        raise ReadRejected(rejections.HEADING_INVALID)
    return heading if heading or read.HasField("heading") else HEADING_UNKNOWN


def _details(read: SubmittedRead) -> bytes:
    details = read.details
    encoded = details.SerializeToString()
    if len(encoded) > MOST_DETAILS_BYTES:
        raise ReadRejected(rejections.details_invalid(_TOO_MUCH))
    if fault := _fault_in(encoded):
        raise ReadRejected(rejections.details_invalid(fault))
    return encoded


# The details of many reads are equal.
@lru_cache(4_096)
def _fault_in(encoded: bytes) -> str | None:
    details = ReadDetails.FromString(encoded)
    if details.lane > MOST_LANE:
        return f"details.lane should be 1 to {MOST_LANE}; leave it out if not known"
    if details.direction not in DIRECTIONS:
        return "details.direction should be approaching or departing; leave it out if not known"
    if not 0.0 <= details.speed_kph <= MOST_SPEED_KPH:
        return f"details.speed_kph should be 0 to {MOST_SPEED_KPH:.0f} km/h; leave it out if not measured"
    if not is_country(details.plate_country):
        return "details.plate_country should be two capital letters such as GB; leave it out if not known"
    if not (details.vehicle_make + details.vehicle_colour + details.vehicle_class).isprintable():
        return "details.vehicle_make, vehicle_colour and vehicle_class should have printable characters only"
    return None


def is_country(code: str) -> bool:
    """Whether `code` is empty or looks like an ISO 3166-1 alpha-2 code."""
    return not code or (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper())
