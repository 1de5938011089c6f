"""Reads for tests, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from gantry.common.v1.read_columns_pb2 import ReadColumns

UNKNOWN = 2_147_483_647
_numbers = count(1)


def columns(
    size: int,
    *,
    at_us: int,
    step_us: int = 1_000,
    cameras: Sequence[str] = ("a12-east", "m20-west"),
    vrm: str = "AB12CDE",
    images: bool = False,
) -> ReadColumns:
    """`size` new reads; every second one lacks all optional values."""
    numbers = [next(_numbers) for _ in range(size)]
    cameras = cameras[:size]
    reads = ReadColumns(
        camera_ids=cameras,
        camera_indexes=[index % len(cameras) for index in range(size)],
        read_ids=[f"r{number:011d}" for number in numbers],
        captured_at_us=[at_us + index * step_us for index in range(size)],
        vrms=[vrm] * size,
        confidences=[0.5] * size,
        latitudes_e7=[UNKNOWN if number % 2 else 515_000_000 + number for number in numbers],
        longitudes_e7=[UNKNOWN if number % 2 else -1_000_000 for number in numbers],
    )
    if all(number % 2 for number in numbers):
        # A column without any value is left out, as the store does.
        return reads
    reads.headings.extend(360 if number % 2 else number % 360 for number in numbers)
    reads.details.extend(b"" if number % 2 else b"\x08\x02\x10\x01" for number in numbers)
    if images:
        reads.plate_patches.extend(b"" if number % 2 else b"patch of %d" % number for number in numbers)
        reads.overviews.extend(b"" if number % 2 else b"overview of %d" % number for number in numbers)
    return reads
