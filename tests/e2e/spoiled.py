"""Reads with one error each, and the door's answer to each."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from gantry.common.v1.read_pb2 import ReadDetails
from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from google.protobuf.timestamp_pb2 import Timestamp

Spoil = Callable[[SubmittedRead], object]

NEIGHBOUR = "clyde"
_YEAR_SECONDS = 365 * 24 * 3_600


def _captured(offset_seconds: float) -> Timestamp:
    moment = Timestamp()
    moment.FromNanoseconds(time.time_ns() + int(offset_seconds * 1e9))
    return moment


def _setting(**fields: Any) -> Spoil:
    def spoil(read: SubmittedRead) -> None:
        for name, value in fields.items():
            setattr(read, name, value)

    return spoil


def _at(offset_seconds: float) -> Spoil:
    return lambda read: read.captured_at.CopyFrom(_captured(offset_seconds))


def _placed(latitude: float, longitude: float) -> Spoil:
    def spoil(read: SubmittedRead) -> None:
        read.position.latitude, read.position.longitude = latitude, longitude

    return spoil


def _detailed(**fields: Any) -> Spoil:
    return lambda read: read.details.CopyFrom(ReadDetails(**fields))


_NAN = float("nan")
# The reason, the field at fault, and how a good read is made bad.
SPOILED: Sequence[tuple[str, str, Spoil]] = (
    ("VRM_EMPTY", "vrm", _setting(vrm="")),
    ("VRM_EMPTY", "vrm", _setting(vrm=" -. ")),
    ("VRM_INVALID", "vrm", _setting(vrm="XV71 KW*")),
    ("VRM_INVALID", "vrm", _setting(vrm="XV71KWZXV71KW")),
    ("VRM_INVALID", "vrm", _setting(vrm="ХУ71КШЗ")),
    ("TIME_INVALID", "captured_at", lambda read: read.ClearField("captured_at")),
    ("TIME_INVALID", "captured_at", lambda read: setattr(read.captured_at, "nanos", -1)),
    ("TIME_INVALID", "captured_at", lambda read: setattr(read.captured_at, "seconds", 10**15)),
    ("TIME_IN_FUTURE", "captured_at", _at(310)),
    ("TIME_IN_FUTURE", "captured_at", _at(_YEAR_SECONDS)),
    ("TIME_TOO_OLD", "captured_at", lambda read: setattr(read.captured_at, "seconds", 631_151_999)),
    ("CAMERA_UNKNOWN", "camera_id", _setting(camera_id="nobody-s")),
    ("CAMERA_UNKNOWN", "camera_id", _setting(camera_id="")),
    ("WRONG_FORCE", "force", _setting(force=NEIGHBOUR)),
    ("POSITION_INVALID", "position", _placed(90.01, 0)),
    ("POSITION_INVALID", "position", _placed(51, -180.01)),
    ("POSITION_INVALID", "position", _placed(_NAN, 0)),
    ("CONFIDENCE_INVALID", "confidence", _setting(confidence=1.01)),
    ("CONFIDENCE_INVALID", "confidence", _setting(confidence=-0.01)),
    ("CONFIDENCE_INVALID", "confidence", _setting(confidence=_NAN)),
    ("HEADING_INVALID", "heading", _setting(heading=360)),
    ("READ_ID_INVALID", "read_id", _setting(read_id="")),
    ("READ_ID_INVALID", "read_id", _setting(read_id="r" * 129)),
    ("READ_ID_INVALID", "read_id", _setting(read_id="a\x00b")),
    ("READ_ID_INVALID", "read_id", _setting(read_id="a\nb")),
    ("DETAILS_INVALID", "details", _detailed(lane=33)),
    ("DETAILS_INVALID", "details", _detailed(speed_kph=-1)),
    ("DETAILS_INVALID", "details", _detailed(speed_kph=_NAN)),
    ("DETAILS_INVALID", "details", _detailed(vehicle_make="M" * 600)),
    ("DETAILS_INVALID", "details", _detailed(plate_country="gb")),
)
