"""Checks one read exactly: the values that the log keeps, or why the read is rejected.

Small batches are checked here read by read. Large ones are checked by columns (see `batch`); when that finds
anything wrong, the batch is checked here too. Both keep the same values of the same read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gantry.common.v1.read_pb2 import Direction, ReadDetails
from gantry.ingest.v1.ingest_pb2 import WARNING_REASON_POSITION_DOUBTFUL, SubmittedRead

from anpr.identifiers import is_read_id
from anpr.not_read import VrmNotRead
from anpr.plate import Plate, understand
from anpr.vrm import VrmEmpty, VrmInvalid, VrmMangled, is_normal
from reads.columns import HEADING_UNKNOWN
from services.ingest.cameras.feeds import Feed
from services.ingest.checking import rejections, remarks
from services.ingest.checking.places import place_of
from services.ingest.checking.rejections import ReadRejected
from services.ingest.checking.remarks import Remark

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


def checked_row(read: SubmittedRead, feed: Feed, latest_us: int, remarked: list[Remark]) -> Row:
    """The row of a read. `latest_us` is the latest capture time accepted. Raises ReadRejected.

    Appends to `remarked` what is odd about a read that is kept.
    """
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
    captured_us, heading = _captured_us(read, latest_us), _heading(read)
    vrm, country, words = read.vrm, "", feed.rules.not_read_words
    if vrm in words or not is_normal(vrm):
        plate = _plate(vrm, words)
        vrm, country = plate.vrm, plate.country
    place = place_of(read, camera, feed, remarked)
    detailed = read.HasField("details") or country or remarked
    return (
        camera.camera_id,
        read_id,
        captured_us,
        vrm,
        confidence,
        *place,
        heading,
        _details(read, country, remarked) if detailed else b"",
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


def _plate(text: str, words: frozenset[str]) -> Plate:
    try:
        return understand(text, words)
    except VrmEmpty:
        raise ReadRejected(rejections.VRM_EMPTY) from None
    except VrmNotRead:
        raise ReadRejected(rejections.VRM_NOT_READ) from None
    except VrmMangled as mangled:
        raise ReadRejected(rejections.vrm_mangled(str(mangled))) from None
    except VrmInvalid as invalid:
        raise ReadRejected(rejections.vrm_invalid(str(invalid))) from None


def _heading(read: SubmittedRead) -> int:
    heading = read.heading
    if heading > MOST_HEADING:
        raise ReadRejected(rejections.HEADING_INVALID)
    return heading if heading or read.HasField("heading") else HEADING_UNKNOWN


def _details(read: SubmittedRead, country: str, remarked: list[Remark]) -> bytes:
    doubtful = bool(remarked) and any(
        remark.reason == WARNING_REASON_POSITION_DOUBTFUL for remark in remarked
    )
    details = read.details
    if country or doubtful or details.position_doubtful:
        details = _amended(details, country, doubtful, remarked)
    encoded = details.SerializeToString()
    if len(encoded) > MOST_DETAILS_BYTES:
        raise ReadRejected(rejections.details_invalid(_TOO_MUCH))
    if fault := _fault_in(encoded):
        raise ReadRejected(rejections.details_invalid(fault))
    return encoded


def _amended(details: ReadDetails, country: str, doubtful: bool, remarked: list[Remark]) -> ReadDetails:
    """The details with what the server knows. A country that the vendor gives stays."""
    amended = ReadDetails()
    amended.CopyFrom(details)
    amended.position_doubtful = doubtful
    if country:
        remarked.append(remarks.COUNTRY_DROPPED if amended.plate_country else remarks.COUNTRY_SPLIT)
        amended.plate_country = amended.plate_country or country
    return amended


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
    if not "".join(texts_of(details)).isprintable():
        return "the texts in details should have printable characters only"
    return None


def texts_of(details: ReadDetails) -> tuple[str, str, str, str]:
    """The free texts in the details."""
    return details.vehicle_make, details.vehicle_model, details.vehicle_colour, details.vehicle_class


def is_country(code: str) -> bool:
    """Whether `code` is empty or looks like an ISO 3166-1 alpha-2 code."""
    return not code or (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper())
