"""The first pass: cameras, and how the file counts time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.exits import CliError
from cli.replay.layout import find_layout
from cli.replay.lines import LineFile
from cli.replay.scan import Scan, choose_clock, scan
from cli.replay.times import Clock, from_us, parse_start

NOW = datetime(2025, 3, 8, 12, tzinfo=UTC)
HEADER = "force,camera_id,captured_at,vrm\n"


def look(tmp_path: Path, rows: str) -> Scan:
    path = tmp_path / "reads.csv"
    path.write_text(HEADER + rows)
    with LineFile(path) as file:
        return scan(file, find_layout(file, {}, None), lambda _: None)


def clock_of(
    found: Scan, start: datetime | None = None, speed: float | None = None, column: str = "captured_at"
) -> Clock:
    return choose_clock(found, column=column, unit=None, start=start, speed=speed, now=NOW)[0]


def test_cameras_of_each_force_are_found_past_broken_lines(tmp_path: Path) -> None:
    found = look(tmp_path, "essex,C1,1,A1\nKENT,C1,2,A1\nessex,C2,3,A1\nbroken\n,C9,1,A1\nessex,C1,4,A1\n")
    counts = {camera: seen.reads for camera, seen in found.reads.items()}
    assert counts == {("essex", "C1"): 2, ("kent", "C1"): 1, ("essex", "C2"): 1}
    assert (found.lines, found.forces, found.cameras("essex")) == (6, ["essex", "kent"], ["C1", "C2"])


def test_flat_out_the_last_read_is_captured_now(tmp_path: Path) -> None:
    clock = clock_of(look(tmp_path, "essex,C1,0.5,A1\nessex,C1,60.25,A1\n"))
    last = from_us(clock.reader()("60.25"))
    assert NOW - timedelta(seconds=1) < last <= NOW
    assert clock.again == "replay the file again with --start 2025-03-08T11:58:59Z", "it can be said exactly"


def test_at_recorded_pace_the_first_read_is_captured_now(tmp_path: Path) -> None:
    clock = clock_of(look(tmp_path, "essex,C1,10,A1\nessex,C1,70,A1\n"), speed=1.0)
    assert from_us(clock.reader()("10")) == NOW


def test_faster_than_recorded_no_read_is_ahead_of_the_clock(tmp_path: Path) -> None:
    clock = clock_of(look(tmp_path, "essex,C1,0,A1\nessex,C1,600,A1\n"), speed=10.0)
    sent_last = NOW.timestamp() + 60
    assert from_us(clock.reader()("600")).timestamp() == sent_last
    assert from_us(clock.reader()("0")) < NOW


@pytest.mark.parametrize(
    ("rows", "column", "unit"),
    [
        ("essex,C1,0,A1\nessex,C1,3600000,A1\n", "captured_at", "milliseconds"),
        ("essex,C1,0,A1\nessex,C1,3600,A1\n", "captured_at", "seconds"),
        ("essex,C1,0,A1\nessex,C1,3600,A1\n", "t_ms", "milliseconds"),
        ("essex,C1,0.5,A1\nessex,C1,700000.25,A1\n", "captured_at", "seconds"),
        ("essex,C1,1740816000,A1\n", "captured_at", "seconds"),
        ("essex,C1,1740816000123,A1\n", "captured_at", "milliseconds"),
        ("essex,C1,1740816000123456,A1\n", "captured_at", "microseconds"),
        ("essex,C1,5,A1\nessex,C1,1e30,A1\nessex,C1,6,A1\n", "captured_at", "seconds"),
    ],
)
def test_the_unit_is_inferred_from_the_numbers(tmp_path: Path, rows: str, column: str, unit: str) -> None:
    assert clock_of(look(tmp_path, rows), column=column).unit == unit


def test_a_start_is_only_for_relative_times(tmp_path: Path) -> None:
    start = datetime(2025, 3, 1, tzinfo=UTC)
    assert (
        clock_of(look(tmp_path, "essex,C1,5,A1\n"), start=start).reader()("5")
        == (start.timestamp() + 5) * 1e6
    )
    for absolute in ("2025-03-01T08:00:00Z", "1740816000"):
        with pytest.raises(CliError, match="--start is for times relative"):
            clock_of(look(tmp_path, f"essex,C1,{absolute},A1\n"), start=start)


def test_dates_without_a_zone_are_taken_as_utc_and_said(tmp_path: Path) -> None:
    found = look(tmp_path, "essex,C1,2025-03-01 08:00:00,A1\n")
    assert choose_clock(found, column="captured_at", unit=None, start=None, speed=None, now=NOW)[1] == [
        "capture times without a zone are taken as UTC"
    ]


def test_start_takes_a_time_or_now() -> None:
    assert parse_start("now", NOW) == NOW
    assert parse_start("2025-03-08T13:00:00+01:00", datetime.now(UTC)) == NOW
    with pytest.raises(CliError, match="say a time such as"):
        parse_start("tomorrow", NOW)
