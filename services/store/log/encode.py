"""Reads in the forms that the function `append_reads_v2` takes.

The driver encodes arrays element by element, at 0.25 to 0.5 us each, which is most of an append's cost. Here
one call encodes a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, repeat
from typing import Any, Final

import numpy as np

from reads.columns import HEADING_UNKNOWN
from reads.traced import text_of
from services.store.log.checked import CheckedReads

# The layout of p_fixed.
_FIXED: Final = np.dtype(
    [
        ("captured_at_us", ">i8"),
        ("camera_no", ">i4"),
        ("latitude_e7", ">i4"),
        ("longitude_e7", ">i4"),
        ("heading", ">i2"),
    ]
)
# Name in p_fixed -> column. Protobuf hands a column of numbers to numpy in one call.
_NUMBERS: Final = {
    "captured_at_us": "captured_at_us",
    "latitude_e7": "latitudes_e7",
    "longitude_e7": "longitudes_e7",
}
_NO_IMAGE: Final = bytes(12)


def append_arguments(
    appends: Sequence[CheckedReads],
    camera_nos: Sequence[Sequence[int]],
    image_objects: Sequence[int],
    image_refs: Sequence[Sequence[bytes]],
) -> tuple[Any, ...]:
    """Parameters p_sizes and following. Sequences have one element an append; `image_refs` has empty ones."""
    sizes = [append.count for append in appends]
    return (
        sizes,
        [0, *accumulate(sizes[:-1])],
        [text_of(append.traced, append.count) for append in appends],
        image_objects,
        [append.captured_us[0] for append in appends],
        [append.captured_us[1] for append in appends],
        _fixed(appends, camera_nos),
        _confidences(appends),
        "\n".join(chain.from_iterable(append.columns.read_ids for append in appends)),
        "\n".join(chain.from_iterable(append.columns.vrms for append in appends)),
        _details(appends),
        _images(appends, image_refs),
    )


def _fixed(appends: Sequence[CheckedReads], camera_nos: Sequence[Sequence[int]]) -> bytes:
    fixed = np.empty(sum(append.count for append in appends), _FIXED)
    for name, column in _NUMBERS.items():
        fixed[name] = np.concatenate([getattr(append.columns, column) for append in appends])
    fixed["heading"] = np.concatenate(
        [append.columns.headings or np.full(append.count, HEADING_UNKNOWN) for append in appends]
    )
    fixed["camera_no"] = np.concatenate(
        [np.take(nos, append.columns.camera_indexes) for append, nos in zip(appends, camera_nos, strict=True)]
    )
    return fixed.tobytes()


def _confidences(appends: Sequence[CheckedReads]) -> list[float]:
    return [*chain.from_iterable(append.columns.confidences for append in appends)]


def _details(appends: Sequence[CheckedReads]) -> str | None:
    if not any(append.columns.details for append in appends):
        return None
    texts: Iterable[str] = chain.from_iterable(
        map(bytes.hex, append.columns.details) if append.columns.details else repeat("", append.count)
        for append in appends
    )
    return "\n".join(texts)


def _images(appends: Sequence[CheckedReads], image_refs: Sequence[Sequence[bytes]]) -> bytes | None:
    if not any(image_refs):
        return None
    refs = chain.from_iterable(
        refs or repeat(b"", a.count) for a, refs in zip(appends, image_refs, strict=True)
    )
    return b"".join([ref or _NO_IMAGE for ref in refs])
