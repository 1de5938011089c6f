"""Columns are found by name; a wrong header is answered with what to type next."""

import pytest

from cli.exits import CliError
from cli.replay.columns import about_utc, parse_forces, parse_map
from tables.columns import HeaderError, match_columns
from tables.layouts import HOTLIST, READS

ALL = ["force", "camera_id", "read_id", "captured_at", "vrm", "confidence", "lat", "lon", "heading"]


def test_columns_are_found_in_any_order_and_case_and_form_of_blanks() -> None:
    found = match_columns(["VRM", " Captured At", "camera-id", "\ufeffForce*", "colour", ""], READS, {})
    assert {ours: found.theirs(ours) for ours in found.places} == {
        "force": "\ufeffForce*",
        "camera_id": "camera-id",
        "captured_at": "Captured At",
        "vrm": "VRM",
    }
    assert found.ignored == ("colour",)


def test_a_map_goes_before_a_column_of_our_name() -> None:
    found = match_columns([*ALL, "plate"], READS, {"vrm": "Plate"})
    assert found.theirs("vrm") == "plate"
    assert found.ignored == ("vrm",)


def test_two_columns_become_one() -> None:
    found = match_columns([*ALL[:3], "Date", "Time", "vrm"], READS, {"captured_at": "date+time"})
    assert (found.places["captured_at"], found.theirs("captured_at")) == ((3, 4), "Date+Time")
    assert match_columns([*ALL[:3], "a+b", "vrm"], READS, {"captured_at": "a+b"}).places["captured_at"] == (
        3,
    )
    with pytest.raises(HeaderError, match="captured_at \\(as Date\\+Tide\\)"):
        match_columns([*ALL[:3], "Date", "Time", "vrm"], READS, {"captured_at": "Date+Tide"})


def test_a_wrong_header_says_what_was_found_needed_and_what_to_try() -> None:
    with pytest.raises(HeaderError) as caught:
        match_columns(["Cam", "Plate Number", "t_ms", "force"], READS, {})
    said = caught.value.message
    assert "columns found: Cam, Plate Number, t_ms, force" in said
    assert "needed and missing: camera_id, captured_at, vrm" in said
    assert '--map camera_id=Cam --map captured_at=t_ms --map vrm="Plate Number"' in said


def test_an_option_that_stands_in_for_a_column_is_suggested_unless_a_column_fits() -> None:
    with pytest.raises(HeaderError, match=r"try --map captured_at=when --map vrm=plate --force CODE$"):
        match_columns(["when", "plate", "camera_id"], READS, {})
    with pytest.raises(HeaderError, match=r"try --map force=Agency$"):
        match_columns(["Agency", "camera_id", "captured_at", "vrm"], READS, {})


def test_a_date_and_a_time_are_suggested_together() -> None:
    with pytest.raises(HeaderError, match="--map captured_at=Date\\+Time"):
        match_columns(["force", "camera_id", "Date", "Time", "vrm"], READS, {})


def test_a_map_to_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(HeaderError, match=r"--map names what is not among them: heading \(as bearing\)"):
        match_columns(ALL, READS, {"heading": "bearing"})


def test_a_line_that_is_no_header_is_not_shown() -> None:
    with pytest.raises(HeaderError, match="seems to be no header line") as caught:
        match_columns(["AB12CDE", "stolen"], HOTLIST, {})
    assert "AB12CDE" not in caught.value.message


def test_a_header_is_shown_short_and_inert() -> None:
    with pytest.raises(HeaderError) as caught:
        match_columns(["vrm", "\x1b[31mred", *("x" * 5000 for _ in range(400))], HOTLIST, {})
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 2000, "a fault has to fit into the trailers of a call"


@pytest.mark.parametrize("pair", ["vrm", "vrm=", "=plate", "colour=red"])
def test_a_map_that_names_no_column_of_ours_is_refused(pair: str) -> None:
    with pytest.raises(CliError, match="say OURS=THEIRS"):
        parse_map([pair])


def test_two_columns_of_one_name_are_refused_where_we_would_have_to_choose() -> None:
    with pytest.raises(HeaderError, match="several columns called vrm; rename"):
        match_columns([*ALL, " VRM"], READS, {})
    assert match_columns([*ALL, "note", "note"], READS, {}).ignored == ("note", "note")


def test_a_column_that_is_mapped_twice_is_refused() -> None:
    with pytest.raises(CliError, match="vrm is mapped twice"):
        parse_map(["vrm=plate", "vrm=reg"])
    assert parse_map(["VRM=plate", "vrm=plate"]) == {"vrm": "plate"}


def test_codes_of_forces_are_mapped() -> None:
    assert parse_forces(["ESX=Essex", "42=essex"]) == {"esx": "essex", "42": "essex"}
    for wrong in (["esx"], ["=essex"], ["esx=essex", "esx=kent"]):
        with pytest.raises(CliError, match="--force-map"):
            parse_forces(wrong)


def test_times_in_utc_beside_are_named_with_the_option_that_takes_them() -> None:
    told = about_utc(["owner", "Time UTC"])
    assert told == [
        'the column Time UTC seems to have these times in UTC: --map captured_at="Time UTC" takes it instead'
    ]
    assert about_utc(["utc_offset", "timestamp", "time_utc:"]) == []
