"""The first pass: cameras, and how the file counts time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.exits import CliError
from cli.replay.clock import Wish, choose_clock
from cli.replay.scan import Scan, Sighting, scan
from cli.replay.source import ReadFile
from cli.replay.times import Clock, from_us, parse_start, parse_zone
from tables.moments import NotATimeError

NOW = datetime(2025, 3, 8, 12, tzinfo=UTC)
HEADER = "force,camera_id,captured_at,vrm\n"


def look(tmp_path: Path, rows: str) -> Scan:
    path = tmp_path / "reads.csv"
    path.write_text(HEADER + rows)
    with ReadFile(path, {}, None) as file:
        return scan(file, lambda _: None)


def clock_of(
    found: Scan, start: datetime | None = None, speed: float | None = None, column: str = "captured_at"
) -> Clock:
    wish = Wish(start, now=start is None and bool(found.units) and found.unit == "relative")
    return choose_clock(found, wish, column=column, speed=speed, now=NOW)[0]


def remarks_of(found: Scan, wish: Wish = Wish()) -> list[str]:  # noqa: B008 - it is immutable
    return choose_clock(found, wish, column="captured_at", speed=None, now=NOW)[1]


def test_cameras_of_each_force_are_found_past_broken_lines(tmp_path: Path) -> None:
    found = look(tmp_path, "essex,C1,1,A1\nKENT,C1,2,A1\nessex,C2,3,A1\nbroken\n,C9,1,A1\nessex,C1,4,A1\n")
    counts = {camera: seen.reads for camera, seen in found.reads.items()}
    assert counts == {("essex", "C1"): 2, ("kent", "C1"): 1, ("essex", "C2"): 1}
    assert scanned_forces(tmp_path) == {("kent", "C1")}
    assert (found.lines, found.forces, found.cameras("essex")) == (6, ["essex", "kent"], ["C1", "C2"])


def scanned_forces(tmp_path: Path) -> set[tuple[str, str]]:
    path = tmp_path / "reads.csv"
    path.write_text(f"{HEADER}KENT-OLD,C1,2,A1\n")
    with ReadFile(path, {}, None) as file:
        return set(scan(file, lambda _: None, {"kent-old": "kent"}).reads)


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


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("essex,C1,5,A1\nessex,C1,6.5,A1\n", "say when they begin with --start TIME"),
        ("essex,C1,46353.16,A1\nessex,C1,46353.17,A1\n", "a spreadsheet turned the times into them"),
        ("essex,C1,20261127,A1\nessex,C1,20261126,A1\n", "dates without a time of day"),
    ],
)
def test_no_read_is_redated_unless_a_person_says_so(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(CliError, match=said):
        remarks_of(look(tmp_path, rows))


def test_a_number_among_dates_is_refused_by_its_likely_cause(tmp_path: Path) -> None:
    dates = "essex,C1,2025-03-01T08:00:00Z,A1\n" * 2
    found = look(tmp_path, f"{dates}essex,C1,46353.16,A1\n")
    clock, _ = choose_clock(found, Wish(), column="captured_at", speed=None, now=NOW)
    with pytest.raises(NotATimeError, match="a spreadsheet turned the time into it"):
        clock.reader()("46353.16")


def test_dates_without_a_zone_are_taken_as_utc_and_said(tmp_path: Path) -> None:
    found = look(tmp_path, "essex,C1,2025-03-01 08:00:00,A1\nessex,C1,20250301080000,A1\n")
    assert remarks_of(found) == ["capture times without a zone are taken as UTC"]
    assert clock_of(found).assumed_utc


def test_dates_ahead_of_the_clock_without_a_zone_make_one_think_of_zones_first(tmp_path: Path) -> None:
    (told,) = remarks_of(look(tmp_path, "essex,C1,2025-03-08 13:00:00,A1\n"))
    assert "if they are local time, say --zone" in told


def test_a_zone_is_given_for_all_times_without_one(tmp_path: Path) -> None:
    found = look(tmp_path, "essex,C1,2025-07-01 08:00:00,A1\nessex,C1,2025-07-01T08:00:00Z,A1\n")
    wish = Wish(zone=parse_zone("Europe/London"))
    clock, _ = choose_clock(found, wish, column="captured_at", speed=None, now=NOW)
    assert clock.reader()("2025-07-01T08:00:00Z") - clock.reader()("2025-07-01 08:00:00") == 3_600_000_000


def test_a_time_without_a_zone_is_refused_where_others_have_one(tmp_path: Path) -> None:
    found = look(tmp_path, "essex,C1,2025-03-01 08:00:00,A1\nessex,C1,2025-03-01T08:00:00Z,A1\n")
    assert "1 capture time of 2 without a zone" in remarks_of(found)[0]
    read = clock_of(found).reader()
    assert read("2025-03-01T08:00:00+01:00") == 1_740_812_400_000_000
    with pytest.raises(NotATimeError, match="no time zone, though other lines of the file have one"):
        read("2025-03-01 08:00:00")


@pytest.mark.parametrize(
    ("values", "percent"),
    [(("97", "31", "100"), True), (("97", "0.5"), False), (("1", "0"), False), (("97%", "0.5"), False)],
)
def test_confidences_are_per_cent_when_all_of_them_say_so(values: tuple[str, ...], percent: bool) -> None:
    found = Scan()
    for value in values:
        found.add_confidence(value)
    assert found.percent is percent


@pytest.mark.parametrize(
    ("places", "moves"),
    [
        ([("0", "0"), ("51.7", "0.5"), ("51.7", "0.5")], False),
        ([("51.7", "0.5"), ("0.5", "51.7")], False),
        ([("51,7", "0,5"), ("51.8", "0.5")], True),
        ([("0.000001", "0"), ("91", "0.5")], False),
    ],
)
def test_no_fix_and_swapped_numbers_are_no_journey(places: list[tuple[str, str]], moves: bool) -> None:
    seen = Sighting()
    for north, east in places:
        seen.add(north, east)
    assert seen.moves is moves


def test_start_takes_a_time() -> None:
    assert parse_start("2025-03-08T13:00:00+01:00") == NOW
    for wrong in ("tomorrow", "2025-03-08", "46353.16"):
        with pytest.raises(CliError, match="say a time such as"):
            parse_start(wrong)
