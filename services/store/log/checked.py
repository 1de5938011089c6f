"""The check of reads when they arrive. Later code relies on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from gantry.common.v1.read_columns_pb2 import ReadColumns
from google.protobuf.message import DecodeError

from anpr.identifiers import is_camera_id
from anpr.vrm import all_normal
from chassis.errors import InvalidInput
from reads.columns import HEADING_UNKNOWN, IMAGES, ColumnsUnequal, count_of, require_equal, taken_images
from reads.traced import Traced
from services.store.days import US_A_DAY

MOST_READS: Final = 20_000
"""Most reads in one append."""

_DAYS_AHEAD: Final = 2
_LONGEST_READ_ID: Final = 128
_LONGEST_DETAILS: Final = 512

# Every append contains the same few cameras.
_is_camera_id: Final = lru_cache(65_536)(is_camera_id)


@dataclass(slots=True, eq=False)
class CheckedReads:
    """The reads of one AppendReads request. `columns` has no images: they are in `patches` and `overviews`.

    `traced` has indexes. `patches` and `overviews` have one element a read, or none. `size` counts all bytes
    of the request. `captured_us` is the first and the last time of capture. `encoded` is `columns`
    serialised: the bytes of the request, or None until `serialised` makes it. A `canary` is one read without
    images that is no read of the force.
    """

    force: str
    columns: ReadColumns
    count: int
    size: int
    patches: Sequence[bytes]
    overviews: Sequence[bytes]
    traced: Sequence[Traced]
    captured_us: tuple[int, int]
    encoded: bytes | None = None
    canary: bool = False

    @property
    def has_images(self) -> bool:
        """Whether any of the reads may have an image."""
        return bool(self.patches or self.overviews)

    def serialised(self) -> bytes:
        """The columns without images, serialised."""
        if self.encoded is None:
            self.encoded = self.columns.SerializeToString()
        return self.encoded


def checked(force: str, reads: bytes, now_us: int, *, canary: bool = False) -> CheckedReads:
    """Parse and check a serialised ReadColumns. Raises InvalidInput, whose text quotes no read."""
    columns = _parsed(reads)
    count = _checked_count(columns)
    captured_us = (0, 0)
    if count:
        captured_us = _range_of(columns.captured_at_us)
        _check_values(columns, captured_us, now_us)
    if canary:
        _check_canary(columns, count)
    patches, overviews = taken_images(columns)
    encoded = None if patches or overviews else reads
    return CheckedReads(
        force, columns, count, len(reads), patches, overviews, (), captured_us, encoded, canary
    )


def _parsed(reads: bytes) -> ReadColumns:
    try:
        return ReadColumns.FromString(reads)
    except DecodeError:
        raise InvalidInput("MALFORMED_MESSAGE", "the bytes are not ReadColumns", field="reads") from None


def _checked_count(columns: ReadColumns) -> int:
    if count_of(columns) > MOST_READS:
        raise InvalidInput(
            "TOO_MANY_READS", f"at most {MOST_READS} reads fit into one append", field="reads.read_ids"
        )
    try:
        return require_equal(columns)
    except ColumnsUnequal as error:
        raise InvalidInput("COLUMNS_UNEQUAL", str(error), field=f"reads.{error.column}") from None


def _check_values(columns: ReadColumns, captured_us: tuple[int, int], now_us: int) -> None:
    if _range_of(columns.camera_indexes)[1] >= len(columns.camera_ids):
        raise InvalidInput(
            "COLUMNS_UNEQUAL", "a camera index is outside camera_ids", field="reads.camera_indexes"
        )
    if not all(map(_is_camera_id, columns.camera_ids)):
        raise _invalid("camera_ids", "a camera_id is 1 to 64 of letters, digits, dot, dash and underscore")
    if not _all_identifiers(columns.read_ids):
        raise _invalid("read_ids", "a read_id is 1 to 128 characters without control characters")
    if not all_normal(columns.vrms):
        raise _invalid("vrms", "a VRM is 1 to 12 of A-Z and 0-9")
    if captured_us[1] > now_us + _DAYS_AHEAD * US_A_DAY or captured_us[0] < 0:
        raise _invalid("captured_at_us", "a time is before 1970 or more than two days ahead")
    if columns.headings and _range_of(columns.headings)[1] > HEADING_UNKNOWN:
        raise _invalid("headings", "a heading is 0 to 359, or 360 when it is not known")
    if columns.details and max(map(len, columns.details)) > _LONGEST_DETAILS:
        raise _invalid("details", f"details are at most {_LONGEST_DETAILS} bytes")


def _check_canary(columns: ReadColumns, count: int) -> None:
    if count != 1:
        raise InvalidInput("CANARY_INVALID", "a canary is exactly one read", field="canary.read_ids")
    for name in IMAGES:
        if getattr(columns, name):
            raise InvalidInput("CANARY_INVALID", "a canary has no images", field=f"canary.{name}")


def _range_of(numbers: Sequence[int]) -> tuple[int, int]:
    column = np.asarray(numbers)
    return int(column.min()), int(column.max())


def _all_identifiers(read_ids: Sequence[str]) -> bool:
    lengths = [*map(len, read_ids)]
    return min(lengths) > 0 and max(lengths) <= _LONGEST_READ_ID and "".join(read_ids).isprintable()


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput("READS_INVALID", message, field=f"reads.{name}")
