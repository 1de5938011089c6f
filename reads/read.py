"""One read of a run: as people get it (`Read`), and its identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.common.v1.read_pb2 import Position, Read, ReadDetails

from reads.columns import FIELDS, IMAGES, PLACE_UNKNOWN

E7: Final = 10_000_000
"""1e-7 degrees in one degree."""

STORED: Final = tuple(field for field in FIELDS if field.column not in IMAGES)
"""The values of a read that the log keeps in its rows: all but camera and images."""

# Those that a Read has under the same name, with the same meaning.
_PLAIN: Final = tuple(
    field for field in STORED if field.name in Read.DESCRIPTOR.fields_by_name and field.name != "details"
)


class ReadIdentity(NamedTuple):
    """The identity of a read within its force. A read that is sent again has the same identity."""

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
    values: dict[str, Any] = {"camera_id": columns.camera_ids[columns.camera_indexes[index]]}
    for field in STORED:
        column = getattr(columns, field.column)
        values[field.name] = column[index] if column else field.absent
    return read_of(force, values)


def read_of(force: str, values: Mapping[str, Any]) -> Read:
    """A read from its "camera_id" and the values of `STORED` by name, for example from a row of a table.

    An absent value becomes an absent field. `details` is parsed.
    """
    read = Read(
        force=force,
        camera_id=values["camera_id"],
        **{field.name: values[field.name] for field in _PLAIN if values[field.name] != field.absent},
    )
    read.captured_at.FromMicroseconds(values["captured_at_us"])
    position = place_of(values["latitude_e7"], values["longitude_e7"])
    if position is not None:
        read.position.CopyFrom(position)
    if values["details"]:
        read.details.CopyFrom(ReadDetails.FromString(values["details"]))
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
