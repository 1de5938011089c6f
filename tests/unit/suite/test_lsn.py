"""Positions, names of segments, timelines, and gaps between segments."""

import pytest

from suite.backup.lsn import (
    SEGMENT_BYTES,
    Path,
    Segment,
    history_timeline,
    missing,
    path_to,
    position,
    segment_named,
    written,
)

HISTORY = "1\t0/33CFD50\tno recovery target specified\n\n2\t1/0\tbefore 2026-11-27\n"


@pytest.mark.parametrize("text", ["0/0", "0/16B3740", "1/0", "FFFFFFFF/FFFFFFFF"])
def test_positions_read_as_they_are_written(text: str) -> None:
    assert written(position(text)) == text


def test_names_of_segments() -> None:
    segment = segment_named("0000000200000001000000FF")
    assert segment == Segment(2, 256 + 255)
    assert segment.name == "0000000200000001000000FF"
    assert segment.begin == position("1/FF000000")
    for other in ("00000002.history", "000000010000000000000001.partial", "x"):
        assert segment_named(other) is None
    assert history_timeline("0000000A.history") == 10
    assert history_timeline("000000010000000000000001") is None


def test_a_way_leads_over_its_branches() -> None:
    path = path_to(3, HISTORY)
    assert path.branches == [(1, position("0/33CFD50")), (2, position("1/0"))]
    # The segment in which a timeline branches off begins with a copy of the older one.
    assert [path.segment(number).timeline for number in (0, 2, 3, 255, 256)] == [1, 1, 2, 2, 3]
    assert path.holds(1, position("0/33CFD50"))
    assert not path.holds(1, position("0/33CFD51"))
    assert path.holds(3, position("9/0"))
    assert not path.holds(4, 0)


def test_gaps() -> None:
    path = Path(1)
    segments = [Segment(1, number) for number in (2, 3, 4)]
    assert missing(path, 2 * SEGMENT_BYTES + 5, segments) == (4, None)
    assert missing(path, 2 * SEGMENT_BYTES, [*segments, Segment(1, 6)]) == (4, Segment(1, 5))
    assert missing(path, SEGMENT_BYTES, segments) == (-1, Segment(1, 1))
    assert missing(path, 9 * SEGMENT_BYTES, segments) == (-1, None)
    assert missing(path, 0, []) == (-1, None)
    # A part is enough at the end, and nowhere else.
    part = [Segment(1, 5)]
    assert missing(path, 2 * SEGMENT_BYTES, segments, part) == (5, None)
    assert missing(path, 2 * SEGMENT_BYTES, [*segments, Segment(1, 6)], part) == (4, Segment(1, 5))
    # Another timeline's segment fills no gap.
    assert missing(path, 2 * SEGMENT_BYTES, [segments[0], Segment(2, 3), segments[2]]) == (2, Segment(1, 3))
