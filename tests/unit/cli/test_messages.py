"""From a line's values to the message a camera would send."""

from typing import Any

import pytest

from cli.replay.layout import BrokenLineError
from cli.replay.messages import builder, derived_read_id
from cli.replay.times import Clock

VALUES: dict[str, Any] = {
    "force": "Essex",
    "camera_id": " C1 ",
    "captured_at": "2025-03-01T08:00:00.123456Z",
    "vrm": "ab12 cde",
    "read_id": "r1",
    "confidence": "0.5",
    "lat": "51.5",
    "lon": "0.25",
    "heading": "359.6",
}


def build(clock: Clock | None = None, **changed: Any) -> Any:
    return builder(clock or Clock())(b"the line", list((VALUES | changed).values()))


def test_a_whole_line_becomes_a_message() -> None:
    force, camera, moment, read = build()
    assert (force, camera, moment) == ("essex", "C1", 1_740_816_000_123_456)
    assert (read.camera_id, read.read_id, read.vrm, read.heading) == ("C1", "r1", "ab12 cde", 0)
    assert read.captured_at.ToMicroseconds() == moment
    assert (read.position.latitude, read.position.longitude, read.confidence) == (51.5, 0.25, 0.5)


def test_what_is_absent_stays_absent() -> None:
    read = build(lat=None, lon="", heading=None, confidence="", vrm="")[3]
    assert not read.HasField("position")
    assert not read.HasField("heading")
    assert (read.confidence, read.vrm) == (0.0, ""), "ingest judges an empty plate, as it does for cameras"


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"camera_id": ""}, "camera_id"),
        ({"camera_id": [1]}, "camera_id"),
        ({"force": None}, "force"),
        ({"captured_at": ""}, "captured_at"),
        ({"captured_at": "yesterday"}, "captured_at"),
        ({"captured_at": "2025-13-01"}, "captured_at"),
        ({"captured_at": True}, "captured_at"),
        ({"captured_at": "1e40"}, "captured_at"),
        ({"captured_at": "nan"}, "captured_at"),
        ({"confidence": "high"}, "confidence"),
        ({"lat": "north"}, "lat"),
        ({"lon": ""}, "lon"),
        ({"heading": "-90"}, "heading"),
        ({"heading": "nan"}, "heading"),
        ({"vrm": 1.5}, "vrm"),
        ({"vrm": "\ud800"}, ""),
    ],
)
def test_a_broken_value_is_named_by_column(changed: dict[str, Any], column: str) -> None:
    with pytest.raises(BrokenLineError) as caught:
        build(**changed)
    assert caught.value.column == column
    assert "cde" not in caught.value.message.lower(), "no plate in what people are told"


def test_numbers_count_from_the_start_in_their_unit() -> None:
    start = 1_740_816_000_000_000
    assert build(Clock("seconds", start), captured_at="1.5")[2] == start + 1_500_000
    assert build(Clock("milliseconds", start), captured_at=1500)[2] == start + 1_500_000
    assert build(Clock("milliseconds", start), captured_at="1500.25")[2] == start + 1_500_250
    assert build(Clock("nanoseconds"), captured_at=1_740_816_000_123_456_789)[2] == start + 123_457


def test_a_derived_read_id_is_stable_and_tells_reads_apart_without_the_plate() -> None:
    one = derived_read_id("C1", "12", b"essex,C1,12,AB12CDE")
    assert one == derived_read_id("C1", "12", b"essex,C1,12,AB12CDE")
    other_plate = derived_read_id("C1", "12", b"essex,C1,12,XY34FGH")
    assert one != other_plate
    assert one.split("-")[0] == other_plate.split("-")[0], "only the last 20 bits depend on the plate"
    assert len(one.split("-")[1]) == 5
    assert one != derived_read_id("C2", "12", b"essex,C2,12,AB12CDE")
    assert "AB12CDE" not in one
