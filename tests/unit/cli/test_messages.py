"""From a line's values to the message a camera would send."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cli.replay.messages import builder, derived_read_id, is_mangled_id
from cli.replay.times import Clock
from tables.faults import RowError

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
    return builder(clock or Clock())("the line", list((VALUES | changed).values()))


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
        ({"captured_at": "1.7E+12"}, "captured_at"),
        ({"captured_at": "46353.16"}, "captured_at"),
        ({"captured_at": "2025-03-01"}, "captured_at"),
        ({"captured_at": "08:00:00"}, "captured_at"),
        ({"captured_at": "01/03/2025 08:00"}, "captured_at"),
        ({"captured_at": "2025-03-01T08:00:00+16:00"}, "captured_at"),
        ({"captured_at": "9" * 50}, "captured_at"),
        ({"confidence": "97"}, "confidence"),
        ({"lat": "51.7,0.5"}, "lat"),
        ({"lat": "51.7N"}, "lat"),
        ({"vrm": "10-Mar"}, "vrm"),
        ({"vrm": "1.00E+23"}, "vrm"),
        ({"vrm": "123456.0"}, "vrm"),
        ({"captured_at": "nan"}, "captured_at"),
        ({"confidence": "high"}, "confidence"),
        ({"lat": "north"}, "lat"),
        ({"lon": ""}, "lon"),
        ({"heading": "-90"}, "heading"),
        ({"heading": "NE"}, "heading"),
        ({"heading": "inf"}, "heading"),
        ({"confidence": "%"}, "confidence"),
        ({"camera_id": "NULL"}, "camera_id"),
        ({"vrm": 1.5}, "vrm"),
        ({"vrm": "\ud800"}, ""),
    ],
)
def test_a_broken_value_is_named_by_column(changed: dict[str, Any], column: str) -> None:
    with pytest.raises(RowError) as caught:
        build(**changed)
    assert caught.value.column == column
    assert "cde" not in caught.value.message.lower(), "no plate in what people are told"


@pytest.mark.parametrize(
    ("value", "share"), [("0,97", 0.97), ("97%", 0.97), ("97 %", 0.97), (0.5, 0.5), ("", 0.0), ("1", 1.0)]
)
def test_a_confidence_is_a_share_however_it_is_written(value: Any, share: float) -> None:
    assert build(confidence=value)[3].confidence == pytest.approx(share)


def test_confidences_of_a_file_in_per_cent() -> None:
    read = builder(Clock(), percent=True)("the line", list((VALUES | {"confidence": "97"}).values()))[3]
    assert read.confidence == pytest.approx(0.97)


@pytest.mark.parametrize("plate", ['="0123"', "'0123", "“0123”", "\u200e0123\u202c", "\xa00123 "])
def test_guards_and_quotes_around_a_plate_are_taken_off(plate: str) -> None:
    assert build(vrm=plate)[3].vrm == "0123"


def test_compact_times_are_dates_and_no_numbers() -> None:
    for value in ("20250301080000", 20250301080000, "202503010800", "20250301T080000Z"):
        assert build(captured_at=value)[2] == 1_740_816_000_000_000


def test_forces_are_mapped() -> None:
    values = list((VALUES | {"force": "ESX"}).values())
    assert builder(Clock(), {"esx": "essex"})("the line", values)[0] == "essex"


def test_numbers_count_from_the_start_in_their_unit() -> None:
    start = 1_740_816_000_000_000
    assert build(Clock("seconds", start, relative=True), captured_at="1.5")[2] == start + 1_500_000
    assert build(Clock("milliseconds", start, relative=True), captured_at=1500)[2] == start + 1_500_000
    assert build(Clock("milliseconds", start, relative=True), captured_at="1500.25")[2] == start + 1_500_250
    assert build(Clock("nanoseconds"), captured_at=1_740_816_000_123_456_789)[2] == start + 123_457


def test_a_derived_read_id_is_stable_and_tells_reads_apart_without_the_plate() -> None:
    one = derived_read_id("C1", "12", "essex,C1,12,AB12CDE")
    assert one == derived_read_id("C1", "12", "essex,C1,12,AB12CDE")
    other_plate = derived_read_id("C1", "12", "essex,C1,12,XY34FGH")
    assert one != other_plate
    assert one.split("-")[0] == other_plate.split("-")[0], "only the last 20 bits depend on the plate"
    assert len(one.split("-")[1]) == 5
    assert one != derived_read_id("C2", "12", "essex,C2,12,AB12CDE")
    assert "AB12CDE" not in one


def test_words_for_no_value_cost_no_read() -> None:
    absent = dict.fromkeys(("read_id", "confidence", "lat", "lon", "heading"), "NULL")
    read = build(**absent)[3]
    assert read.read_id.startswith("f")
    assert (read.confidence, read.HasField("position"), read.HasField("heading")) == (0.0, False, False)
    assert not build(lat=float("nan"), lon=float("nan"))[3].HasField("position")


@pytest.mark.parametrize(
    ("captured_at", "said"),
    [
        ("2026-03-29T01:30:00", "does not exist in Europe/London"),
        ("2026-10-25T01:30:00", r"occurs twice in Europe/London.*\+01:00 or \+00:00"),
    ],
)
def test_hours_that_clocks_skip_or_repeat_are_not_guessed(captured_at: str, said: str) -> None:
    london = Clock(zone=ZoneInfo("Europe/London"))
    with pytest.raises(RowError, match=said):
        build(london, captured_at=captured_at)
    assert build(london, captured_at=f"{captured_at}Z")[2] == build(captured_at=captured_at)[2]


@pytest.mark.parametrize(
    ("unit", "captured_at", "said"),
    [
        ("nanoseconds", "639154848000000000", "from the year 1.*ticks"),
        ("nanoseconds", "134343936000000000", "from 1601.*FILETIME"),
        ("seconds", "1795752000000", "out of range, when it counts seconds"),
        ("milliseconds", "1795752000", "out of range, when it counts milliseconds"),
        ("seconds", "63902000000", "out of range"),
    ],
)
def test_numbers_that_count_otherwise_are_not_dated_anew(unit: str, captured_at: str, said: str) -> None:
    with pytest.raises(RowError, match=said):
        build(Clock(unit), captured_at=captured_at)


def test_joining_is_not_advised_where_columns_are_joined() -> None:
    joined = builder(Clock(), joined=True)
    for value in ("2026-11-27", "04:00:00"):
        with pytest.raises(RowError, match=r"the other of its columns is empty$") as caught:
            joined("the line", list((VALUES | {"captured_at": value}).values()))
        assert "--map" not in caught.value.message


@pytest.mark.parametrize(
    ("read_id", "told"),
    [
        ("1.23457E+17", True),
        ("1,23457e+17", True),
        ("1.2E+17", True),
        ("1E+17", True),
        ("#N/A", True),
        ("unknown", True),
        ("1E17", False),
        ("r+1", False),
        ("123457000000000000", False),
        ("#12", False),
        ("n/a", False),  # an empty cell, not a changed id
    ],
)
def test_an_id_that_stands_for_many_is_told(read_id: str, *, told: bool) -> None:
    assert is_mangled_id(read_id) is told
