"""Makes the message that a camera would send from the values of a line.

A line that cannot be put into a message is a broken line and is named here. Ingest judges values that can but
are wrong (a confidence of 7, a plate with a star), so that a file is checked like a camera.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from google.protobuf.timestamp_pb2 import Timestamp

from cli.replay.layout import BrokenLineError, Values
from cli.replay.times import Clock, NotATimeError

Built = tuple[str, str, int, SubmittedRead]
"""Force, camera, capture time in microseconds since 1970, and the message."""
Builder = Callable[[bytes, Values], Built]
_SECOND: Final = 1_000_000


def builder(clock: Clock) -> Builder:
    """A function from a line and its values to a message; it raises BrokenLineError."""
    read_time = clock.reader()

    def build(line: bytes, values: Values) -> Built:
        force, camera, captured, vrm, read_id, confidence, latitude, longitude, heading = values
        camera, moment = text(camera, "camera_id"), captured_us(captured, read_time)
        seconds, rest = divmod(moment, _SECOND)
        try:
            read = SubmittedRead(
                camera_id=camera,
                read_id=text(read_id, "read_id", optional=True) or derived_read_id(camera, captured, line),
                captured_at=Timestamp(seconds=seconds, nanos=rest * 1000),
                vrm=text(vrm, "vrm", optional=True),
                confidence=number(confidence, "confidence") or 0.0,
            )
        except ValueError:
            raise BrokenLineError("a text has characters that UTF-8 cannot carry") from None
        place(read, latitude, longitude)
        course(read, heading)
        return force_code(force), camera, moment, read

    return build


def text(value: Any, column: str, *, optional: bool = False) -> str:
    """A value as text without blanks around it. BrokenLineError when it is none."""
    if isinstance(value, str):
        value = value.strip()
    elif value is None:
        value = ""
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    else:
        raise BrokenLineError("is neither text nor a whole number", column)
    if not value and not optional:
        raise BrokenLineError("is empty", column)
    return str(value)


def force_code(value: Any) -> str:
    """The force's code in the form that services use."""
    return text(value, "force").lower()


def captured_us(value: Any, read_time: Callable[[str | int | float], int]) -> int:
    """The capture time in microseconds since 1970. BrokenLineError when it is none."""
    if value is None or value == "":
        raise BrokenLineError("is empty", "captured_at")
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return read_time(value)
        except NotATimeError:
            pass
    raise BrokenLineError("is no time: use ISO 8601, or seconds or milliseconds", "captured_at")


def number(value: Any, column: str) -> float | None:
    """A value as a number; None when there is none. BrokenLineError when it is something else."""
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise BrokenLineError("is not a number", column) from None


def place(read: SubmittedRead, latitude: Any, longitude: Any) -> None:
    """Set the position when both coordinates are there. BrokenLineError when only one is."""
    north, east = number(latitude, "lat"), number(longitude, "lon")
    if north is None and east is None:
        return
    if north is None or east is None:
        absent = "lat" if north is None else "lon"
        raise BrokenLineError("is empty although the other coordinate is there", absent)
    read.position.CopyFrom(Position(latitude=north, longitude=east))


def course(read: SubmittedRead, heading: Any) -> None:
    """Set the heading in whole degrees; 360 is north, as many systems write it."""
    degrees = number(heading, "heading")
    if degrees is None:
        return
    try:
        whole = round(degrees)
        read.heading = 0 if whole == 360 else whole
    except (ValueError, OverflowError):
        raise BrokenLineError("is no course from 0 to 359 degrees", "heading") from None


def derived_read_id(camera_id: str, captured: Any, line: bytes) -> str:
    """The same name each time the same line is replayed, for files without read ids.

    The first part names camera and time. The second tells apart reads of one camera at one moment: 20 bits
    of the line, too few to find the plate again by trying every plate there is.
    """
    where_and_when = hashlib.blake2b(
        f"{camera_id}\n{captured}".encode(errors="replace"), digest_size=8
    ).hexdigest()
    content = hashlib.blake2b(line, digest_size=4).hexdigest()[:5]
    return f"f{where_and_when}-{content}"
