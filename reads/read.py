"""One read of a run: as people get it (`Read`), and what tells it apart from every other."""

from __future__ import annotations

from typing import Final, NamedTuple

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.common.v1.read_pb2 import Position, Read, ReadDetails

from reads.columns import HEADING_UNKNOWN, PLACE_UNKNOWN

E7: Final = 10_000_000
"""1e-7 degrees in one degree."""


class ReadIdentity(NamedTuple):
    """What identifies a read within its force: however often it is sent, it is one read."""

    camera_id: str
    captured_at_us: int
    read_id: str


def identity_at(columns: ReadColumns, index: int) -> ReadIdentity:
    """The identity of the read at `index`."""
    return ReadIdentity(
        columns.camera_ids[columns.camera_indexes[index]],
        columns.captured_at_us[index],
        columns.read_ids[index],
    )


def read_at(force: str, columns: ReadColumns, index: int) -> Read:
    """The read at `index`, without images."""
    return read_of(
        force=force,
        camera_id=columns.camera_ids[columns.camera_indexes[index]],
        read_id=columns.read_ids[index],
        captured_at_us=columns.captured_at_us[index],
        vrm=columns.vrms[index],
        confidence=columns.confidences[index],
        latitude_e7=columns.latitudes_e7[index],
        longitude_e7=columns.longitudes_e7[index],
        heading=columns.headings[index] if columns.headings else HEADING_UNKNOWN,
        details=columns.details[index] if columns.details else b"",
    )


def read_of(
    *,
    force: str,
    camera_id: str,
    read_id: str,
    captured_at_us: int,
    vrm: str,
    confidence: float,
    latitude_e7: int,
    longitude_e7: int,
    heading: int,
    details: bytes,
) -> Read:
    """A read from its values as columns hold them: placeholders become absent fields, `details` is parsed."""
    read = Read(force=force, camera_id=camera_id, read_id=read_id, vrm=vrm, confidence=confidence)
    read.captured_at.FromMicroseconds(captured_at_us)
    position = place_of(latitude_e7, longitude_e7)
    if position is not None:
        read.position.CopyFrom(position)
    if heading != HEADING_UNKNOWN:
        read.heading = heading
    if details:
        read.details.CopyFrom(ReadDetails.FromString(details))
    return read


def place_of(latitude_e7: int, longitude_e7: int) -> Position | None:
    """The place in degrees, or None when it is not known."""
    if PLACE_UNKNOWN in {latitude_e7, longitude_e7}:
        return None
    return Position(latitude=degrees(latitude_e7), longitude=degrees(longitude_e7))


def degrees(e7: int) -> float:
    """An angle in degrees, from 1e-7 degrees."""
    return e7 / E7


def e7(angle: float) -> int:
    """An angle in 1e-7 degrees, from degrees."""
    return round(angle * E7)
