"""The columns of reads (`ReadColumns`): names, placeholders, and how runs of reads are cut and joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final

from gantry.common.v1.read_columns_pb2 import ReadColumns

PLACE_UNKNOWN: Final = 2_147_483_647
"""Latitude and longitude of a read whose place is not known."""

HEADING_UNKNOWN: Final = 360
"""Heading of a read whose course is not known."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a read: its name, the column that holds it, and the value that means "this read has none".

    Without `absent` every read has a value. With it the column may be empty: no read of the run has a value.
    """

    name: str
    column: str
    absent: int | bytes | None = None


FIELDS: Final = (
    Field("read_id", "read_ids"),
    Field("captured_at_us", "captured_at_us"),
    Field("vrm", "vrms"),
    Field("confidence", "confidences"),
    Field("latitude_e7", "latitudes_e7"),
    Field("longitude_e7", "longitudes_e7"),
    Field("heading", "headings", HEADING_UNKNOWN),
    Field("details", "details", b""),
    Field("plate_patch", "plate_patches", b""),
    Field("overview", "overviews", b""),
)
"""Every value of a read but its camera, which `camera_indexes` points to in `camera_ids`."""

IMAGES: Final = ("plate_patches", "overviews")
"""The columns that hold images."""

EVERY_READ: Final = ("camera_indexes", *(field.column for field in FIELDS if field.absent is None))
"""Columns with one element a read."""

ABSENT: Final[Mapping[str, int | bytes]] = {
    field.column: field.absent for field in FIELDS if field.absent is not None
}
"""The value that means "this read has none", for each column that may be empty."""

ALL_OR_NONE: Final = tuple(ABSENT)
"""Columns with one element a read, or empty when no read of the run has a value."""

_REQUIRED: Final = frozenset(EVERY_READ[1:])


class ColumnsUnequal(ValueError):  # noqa: N818 - named as its reason in the contract
    """A column has another length than `read_ids`. `column` is its name."""

    def __init__(self, column: str) -> None:
        super().__init__(f"{column} has another length than read_ids")
        self.column = column


def count_of(columns: ReadColumns) -> int:
    """How many reads there are."""
    return len(columns.read_ids)


def require_equal(columns: ReadColumns) -> int:
    """Check the length of every column; return how many reads there are. Raises ColumnsUnequal."""
    count = len(columns.read_ids)
    for name in EVERY_READ:
        if len(getattr(columns, name)) != count:
            raise ColumnsUnequal(name)
    for name in ALL_OR_NONE:
        if len(getattr(columns, name)) not in {0, count}:
            raise ColumnsUnequal(name)
    return count


def columns_of(camera_ids: Sequence[str], **values: Sequence[Any]) -> ReadColumns:
    """Columns from the camera of each read and the values of each column, by its name; one element a read.

    A column that may be empty is left out when no read has a value. Raises KeyError for a column that must be
    given, ValueError for one that does not exist.
    """
    cameras = {camera_id: number for number, camera_id in enumerate(dict.fromkeys(camera_ids))}
    for name, absent in ABSENT.items():
        if name in values and values[name].count(absent) == len(values[name]):
            del values[name]
    if missing := _REQUIRED.difference(values):
        raise KeyError(f"no values for {sorted(missing)}")
    return ReadColumns(
        camera_ids=cameras, camera_indexes=[cameras[camera_id] for camera_id in camera_ids], **values
    )


def picked(columns: ReadColumns, indexes: Sequence[int]) -> ReadColumns:
    """The reads at `indexes`, in that order. Indexes count from 0."""
    taken = ReadColumns(camera_ids=columns.camera_ids)
    for name in (*EVERY_READ, *ALL_OR_NONE):
        values = getattr(columns, name)
        if values:
            getattr(taken, name).extend([values[index] for index in indexes])
    return taken


def sliced(columns: ReadColumns, start: int, stop: int) -> ReadColumns:
    """The reads from `start` up to but not including `stop`."""
    taken = ReadColumns(camera_ids=columns.camera_ids)
    for name in (*EVERY_READ, *ALL_OR_NONE):
        getattr(taken, name).extend(getattr(columns, name)[start:stop])
    return taken


def joined(runs: Iterable[ReadColumns]) -> ReadColumns:
    """The reads of all runs, one run after another, with each camera once."""
    runs = [run for run in runs if run.read_ids]
    if len(runs) == 1:
        return runs[0]
    cameras: dict[str, int] = {}
    whole = ReadColumns()
    for run in runs:
        numbers = [cameras.setdefault(camera_id, len(cameras)) for camera_id in run.camera_ids]
        whole.camera_indexes.extend([numbers[index] for index in run.camera_indexes])
    whole.camera_ids.extend(cameras)
    for name in EVERY_READ[1:]:
        getattr(whole, name).extend(chain.from_iterable(getattr(run, name) for run in runs))
    for name, absent in ABSENT.items():
        if any(getattr(run, name) for run in runs):
            getattr(whole, name).extend(chain.from_iterable(_filled(run, name, absent) for run in runs))
    return whole


def taken_images(columns: ReadColumns) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Remove the images from `columns`. Return patches and overviews: one element a read, or empty."""
    patches, overviews = list(columns.plate_patches), list(columns.overviews)
    columns.ClearField("plate_patches")
    columns.ClearField("overviews")
    return patches, overviews


def with_images(encoded: bytes, plate_patches: Sequence[bytes], overviews: Sequence[bytes]) -> bytes:
    """Serialised columns that have no images, with images added. The columns are not parsed.

    Protobuf merges the parts of a concatenated message field by field.
    """
    images = ReadColumns()
    if any(plate_patches):
        images.plate_patches.extend(plate_patches)
    if any(overviews):
        images.overviews.extend(overviews)
    return encoded + images.SerializeToString()


def _filled(run: ReadColumns, name: str, absent: int | bytes) -> Iterable[Any]:
    return getattr(run, name) or repeat(absent, len(run.read_ids))
