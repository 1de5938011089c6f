"""Runs of reads for tests: every column that may be empty is there or not, by chance."""

from __future__ import annotations

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.common.v1.read_pb2 import ReadDetails
from hypothesis import strategies as st

from reads.columns import HEADING_UNKNOWN, PLACE_UNKNOWN

E7 = st.integers(-900_000_000, 900_000_000)
DETAILS = st.builds(ReadDetails, lane=st.integers(1, 32)).map(ReadDetails.SerializeToString)


@st.composite
def runs(draw: st.DrawFn, least: int = 0, most: int = 12) -> ReadColumns:
    """A run of `least` to `most` reads."""
    count = draw(st.integers(least, most))
    cameras = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True))

    def column(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=count, max_size=count))

    def perhaps(values: st.SearchStrategy) -> list:
        return column(values) if draw(st.booleans()) else []

    return ReadColumns(
        camera_ids=cameras,
        camera_indexes=column(st.integers(0, len(cameras) - 1)),
        read_ids=column(st.text("0123456789abc", min_size=1, max_size=6)),
        captured_at_us=column(st.integers(0, 2**50)),
        vrms=column(st.sampled_from(["AB12CDE", "X1", "LN63ABC"])),
        confidences=column(st.floats(0, 1, width=32)),
        latitudes_e7=column(E7 | st.just(PLACE_UNKNOWN)),
        longitudes_e7=column(E7),
        headings=perhaps(st.integers(0, HEADING_UNKNOWN)),
        details=perhaps(DETAILS | st.just(b"")),
        plate_patches=perhaps(st.binary(max_size=4)),
        overviews=perhaps(st.binary(max_size=4)),
    )
