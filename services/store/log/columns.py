"""Reads as they arrive: checked here, once, so that nothing behind this line has to doubt them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gantry.common.v1.read_columns_pb2 import ReadColumns

from anpr.identifiers import is_camera_id
from anpr.vrm import all_normal
from chassis.errors import InvalidInput
from services.store.days import US_A_DAY

MOST_READS: Final = 20_000
NO_PLACE: Final = 2_147_483_647
NO_HEADING: Final = 360
_DAYS_AHEAD: Final = 2
_LONGEST_READ_ID: Final = 128
_LONGEST_DETAILS: Final = 512

# The same few cameras come with every append.
_is_camera_id: Final = lru_cache(65_536)(is_camera_id)

EVERY_READ: Final = (
    "camera_indexes",
    "read_ids",
    "captured_at_us",
    "vrms",
    "confidences",
    "latitudes_e7",
    "longitudes_e7",
)
ALL_OR_NONE: Final = ("headings", "details", "plate_patches", "overviews")


@dataclass(slots=True, eq=False)
class Append:
    """One checked AppendReads request. `columns` has no images; they are in `patches` and `overviews`."""

    force: str
    columns: ReadColumns
    count: int
    patches: Sequence[bytes]
    overviews: Sequence[bytes]
    traceparent: str

    @property
    def has_images(self) -> bool:
        """Whether any of its reads may have an image."""
        return bool(self.patches or self.overviews)


def accept(force: str, columns: ReadColumns, traceparent: str, now_us: int) -> Append:
    """Check reads and take the images out of `columns`. Raises InvalidInput that quotes no read."""
    count = len(columns.read_ids)
    _check_lengths(columns, count)
    if count:
        _check_values(columns, now_us)
    patches, overviews = list(columns.plate_patches), list(columns.overviews)
    columns.ClearField("plate_patches")
    columns.ClearField("overviews")
    return Append(force, columns, count, patches, overviews, traceparent)


def kept(columns: ReadColumns, indexes: Sequence[int]) -> ReadColumns:
    """The same columns with only the reads at `indexes`."""
    remaining = ReadColumns(camera_ids=columns.camera_ids)
    for name in (*EVERY_READ, *ALL_OR_NONE):
        values = getattr(columns, name)
        if values:
            getattr(remaining, name).extend([values[index] for index in indexes])
    return remaining


def _check_lengths(columns: ReadColumns, count: int) -> None:
    if count > MOST_READS:
        raise InvalidInput(
            "TOO_MANY_READS", f"at most {MOST_READS} reads fit into one append", field="reads.read_ids"
        )
    for name in EVERY_READ:
        if len(getattr(columns, name)) != count:
            raise _unequal(name)
    for name in ALL_OR_NONE:
        if len(getattr(columns, name)) not in {0, count}:
            raise _unequal(name)


def _check_values(columns: ReadColumns, now_us: int) -> None:
    if max(columns.camera_indexes) >= len(columns.camera_ids):
        raise InvalidInput(
            "COLUMNS_UNEQUAL", "a camera index is outside camera_ids", field="reads.camera_indexes"
        )
    if not all(map(_is_camera_id, columns.camera_ids)):
        raise _invalid("camera_ids", "a camera_id is 1 to 64 of letters, digits, dot, dash and underscore")
    if not _all_identifiers(columns.read_ids):
        raise _invalid("read_ids", "a read_id is 1 to 128 characters without control characters")
    if not all_normal(columns.vrms):
        raise _invalid("vrms", "a VRM is 1 to 12 of A-Z and 0-9")
    if max(columns.captured_at_us) > now_us + _DAYS_AHEAD * US_A_DAY or min(columns.captured_at_us) < 0:
        raise _invalid("captured_at_us", "a time is before 1970 or more than two days ahead")
    if columns.headings and max(columns.headings) > NO_HEADING:
        raise _invalid("headings", "a heading is 0 to 359, or 360 when it is not known")
    if columns.details and max(map(len, columns.details)) > _LONGEST_DETAILS:
        raise _invalid("details", f"details are at most {_LONGEST_DETAILS} bytes")


def _all_identifiers(read_ids: Sequence[str]) -> bool:
    lengths = [*map(len, read_ids)]
    return min(lengths) > 0 and max(lengths) <= _LONGEST_READ_ID and "".join(read_ids).isprintable()


def _unequal(name: str) -> InvalidInput:
    return InvalidInput("COLUMNS_UNEQUAL", f"{name} has another length than read_ids", field=f"reads.{name}")


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput("READS_INVALID", message, field=f"reads.{name}")
