"""Makes the message that a camera would send from the values of a line.

A line that cannot be put into a message is a broken line and is named here. Ingest judges values that can but
are wrong (a confidence of 7, a plate with a star), so that a file is checked like a camera.
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from google.protobuf.timestamp_pb2 import Timestamp

from anpr.identifiers import oddity_of_name
from anpr.plate import understand
from anpr.several import MORE_THAN_A_PLATE, holds_more_than_a_plate
from anpr.vrm import VrmMangled, is_normal
from cli.replay.times import Clock
from tables import cells
from tables.cells import bare, is_absent, unguarded
from tables.faults import RowError
from tables.moments import JOIN, TIME_FORM, NotATimeError

Values = Sequence[Any]
Built = tuple[str, str, int, SubmittedRead]
"""Force, camera, capture time in microseconds since 1970, and the message."""
Builder = Callable[[str, Values], Built]
_SECOND: Final = 1_000_000
_WORD_LENGTH: Final = 10
_SHORTENED: Final = re.compile(r"\d(?:[.,]\d+)?E\+\d\d", re.IGNORECASE)
_IDS: Final = frozenset(("camera_id", "read_id"))


def builder(
    clock: Clock, forces: Mapping[str, str] | None = None, *, percent: bool = False, joined: bool = False
) -> Builder:
    """A function from a line and its values to a message; it raises RowError.

    `forces` maps the file's codes of forces to ours. `percent`: confidences are per cent.
    `joined`: capture times are joined from two columns, which then is not advised.
    """
    read_time = clock.reader()
    codes = forces or {}

    def build(line: str, values: Values) -> Built:
        force, camera, captured, vrm, read_id, confidence, latitude, longitude, heading = values
        camera, moment = camera_id(camera), captured_us(captured, read_time, joined=joined)
        seconds, rest = divmod(moment, _SECOND)
        try:
            read = SubmittedRead(
                camera_id=camera,
                read_id=own_read_id(read_id) or derived_read_id(camera, captured, line),
                captured_at=Timestamp(seconds=seconds, nanos=rest * 1000),
                vrm=plate(vrm),
                confidence=share(confidence, percent=percent),
            )
        except ValueError:
            raise RowError("a text has characters that UTF-8 cannot carry") from None
        place(read, latitude, longitude)
        course(read, heading)
        code = force_code(force)
        return codes.get(code, code), camera, moment, read

    return build


def text(value: Any, column: str, *, optional: bool = False) -> str:
    """A value as text without blanks and guards around it. RowError when it is none."""
    if isinstance(value, str):
        value = unguarded(value)
        value = "" if column in _IDS and is_absent(value) else value
    elif value is None:
        value = ""
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    else:
        raise RowError("is neither text nor a whole number", column)
    if not value and not optional:
        raise RowError("is empty", column)
    found: str = value
    return found


def plate(value: Any) -> str:
    """A plate as it stands in the file, for ingest to judge.

    RowError for what a program made of a plate, and for two plates or a note in one cell: ingest would take
    them for one plate, since blanks are no part of it.
    """
    if isinstance(value, str) and not is_normal(value):
        value = bare(value)
        try:
            found = understand(value)
        except VrmMangled as fault:
            raise RowError(str(fault), "vrm") from None
        except ValueError:
            pass  # ingest counts and names it, as it does for cameras
        else:
            if not found.country and holds_more_than_a_plate(value):
                raise RowError(MORE_THAN_A_PLATE, "vrm")
    return text(value, "vrm", optional=True)


def share(value: Any, *, percent: bool) -> float:
    """A confidence from 0 to 1; per cent is turned into it. 0 when there is none."""
    if isinstance(value, str) and not value[-1:].isdecimal():
        value = bare(value)
        if value.endswith("%"):
            value, percent = value[:-1].strip(), True
            if not value:
                raise RowError("is a percent sign without a number", "confidence")
    found = number(value, "confidence")
    if found is None:
        return 0.0
    if percent:
        return found / 100
    if 1 < found <= 100:
        raise RowError("is above 1; write a share such as 0.97, or 97% when it is per cent", "confidence")
    return found


def force_code(value: Any) -> str:
    """The force's code in the form that services use."""
    return _force_code(value) if isinstance(value, str) else text(value, "force").lower()


@lru_cache(maxsize=1024)
def _force_code(value: str) -> str:
    return text(value, "force").lower()


def camera_id(value: Any) -> str:
    """The camera's name."""
    return _camera_id(value) if isinstance(value, str) else text(value, "camera_id")


@lru_cache(maxsize=4096)
def _camera_id(value: str) -> str:
    return text(bare(value), "camera_id")


def captured_us(value: Any, read_time: Callable[[str | int | float], int], *, joined: bool = False) -> int:
    """The capture time in microseconds since 1970. RowError when it is none."""
    if value is None or value == "":
        raise RowError("is empty", "captured_at")
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise RowError(f"is no time; {TIME_FORM}", "captured_at")
    try:
        return read_time(value)
    except NotATimeError as fault:
        told = (
            str(fault).replace(f"; {JOIN}", ": the other of its columns is empty") if joined else str(fault)
        )
        raise RowError(told, "captured_at") from None


def number(value: Any, column: str) -> float | None:
    """A value as a number; None when there is none. RowError when it is something else."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        if value[:1].isdecimal():
            return cells.number(value, column)
        return None if not (told := value.strip()) or is_absent(told) else cells.number(value, column)
    try:
        found = float(value)
        return None if math.isnan(found) else found
    except (TypeError, ValueError, OverflowError):
        raise RowError("is not a number", column) from None


def place(read: SubmittedRead, latitude: Any, longitude: Any) -> None:
    """Set the position when both coordinates are there. RowError when only one is."""
    north, east = number(latitude, "lat"), number(longitude, "lon")
    if north is None and east is None:
        return
    if north is None or east is None:
        absent = "lat" if north is None else "lon"
        raise RowError("is empty although the other coordinate is there", absent)
    position = read.position
    position.latitude, position.longitude = north, east
    # Zeros by themselves would not say that there is a position.
    position.SetInParent()


def course(read: SubmittedRead, heading: Any) -> None:
    """Set the heading in whole degrees; 360 is north, as many systems write it."""
    degrees = number(heading, "heading")
    if degrees is None:
        return
    try:
        whole = round(degrees)
        read.heading = 0 if whole == 360 else whole
    except (ValueError, OverflowError):
        raise RowError("is no course from 0 to 359 degrees", "heading") from None


def own_read_id(value: Any) -> str:
    """The read's id in the file; empty when it has none, or one that stands for many numbers."""
    found = text(value, "read_id", optional=True)
    return "" if is_mangled_id(found) else found


def is_mangled_id(read_id: str) -> bool:
    """Whether a tool made this of an id, which then is that of many reads: 1.23457E+17, #N/A, unknown."""
    told = read_id.strip()
    if "+" in told:
        return _SHORTENED.fullmatch(told) is not None
    is_short = told[:1] == "#" or len(told) < _WORD_LENGTH
    return is_short and oddity_of_name(told) is not None and not is_absent(told)


def derived_read_id(camera_id: str, captured: Any, line: str) -> str:
    """The same name each time the same line is replayed, for files without read ids.

    The first part names camera and time. The second tells apart reads of one camera at one moment: 20 bits
    of the line, too few to find the plate again by trying every plate there is.
    """
    where_and_when = hashlib.blake2b(
        f"{camera_id}\n{captured}".encode(errors="replace"), digest_size=8
    ).hexdigest()
    content = hashlib.blake2b(line.encode(errors="replace"), digest_size=4).hexdigest()[:5]
    return f"f{where_and_when}-{content}"
