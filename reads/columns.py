"""The columns of reads (`ReadColumns`): names, placeholders, and how runs of reads are cut and joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final

from gantry.common.v1.read_columns_pb2 import ReadColumns

PLACE_UNKNOWN: Final = 2_147_483_647
"""Latitude and longitude of a read whose place is not known."""

HEADING_UNKNOWN: Final = 360
"""Heading of a read whose course is not known."""

EVERY_READ: Final = (
    "camera_indexes",
    "read_ids",
    "captured_at_us",
    "vrms",
    "confidences",
    "latitudes_e7",
    "longitudes_e7",
)
"""Columns with one element a read. `camera_indexes` points into `camera_ids`: one element a camera."""

ABSENT: Final[Mapping[str, int | bytes]] = {
    "headings": HEADING_UNKNOWN,
    "details": b"",
    "plate_patches": b"",
    "overviews": b"",
}
"""The value that means "this read has none", for each column that may be empty."""

ALL_OR_NONE: Final = tuple(ABSENT)
"""Columns with one element a read, or empty when no read of the run has a value."""


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


def columns_of(
    *,
    camera_ids: Sequence[str],
    read_ids: Iterable[str],
    captured_at_us: Iterable[int],
    vrms: Iterable[str],
    confidences: Iterable[float],
    latitudes_e7: Iterable[int],
    longitudes_e7: Iterable[int],
    headings: Sequence[int] = (),
    details: Sequence[bytes] = (),
    plate_patches: Sequence[bytes] = (),
    overviews: Sequence[bytes] = (),
) -> ReadColumns:
    """Columns from arguments that have one element a read.

    A column that may be empty is left out when no read has a value.
    """
    cameras = {camera_id: number for number, camera_id in enumerate(dict.fromkeys(camera_ids))}
    columns = ReadColumns(
        camera_ids=cameras,
        camera_indexes=[cameras[camera_id] for camera_id in camera_ids],
        read_ids=read_ids,
        captured_at_us=captured_at_us,
        vrms=vrms,
        confidences=confidences,
        latitudes_e7=latitudes_e7,
        longitudes_e7=longitudes_e7,
    )
    if headings and headings.count(HEADING_UNKNOWN) < len(headings):
        columns.headings.extend(headings)
    if any(details):
        columns.details.extend(details)
    if any(plate_patches):
        columns.plate_patches.extend(plate_patches)
    if any(overviews):
        columns.overviews.extend(overviews)
    return columns


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
