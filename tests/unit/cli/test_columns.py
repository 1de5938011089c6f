"""Columns are found by name; a wrong header is answered with what to type next."""

import pytest

from cli.exits import CliError
from cli.replay.columns import match_columns, parse_map

ALL = ["force", "camera_id", "read_id", "captured_at", "vrm", "confidence", "lat", "lon", "heading"]


def test_columns_are_found_in_any_order_and_case() -> None:
    columns = match_columns(["VRM", " Captured_At", "camera_id", "Force", "colour"], {}, None)
    assert columns.theirs == {
        "force": "Force",
        "camera_id": "camera_id",
        "captured_at": " Captured_At",
        "vrm": "VRM",
    }
    assert columns.ignored == ("colour",)
    assert columns.missing_optional() == ["read_id", "confidence", "lat", "lon", "heading"]


def test_a_map_goes_before_a_column_of_our_name() -> None:
    columns = match_columns([*ALL, "plate"], {"vrm": "plate"}, None)
    assert columns.theirs["vrm"] == "plate"
    assert columns.ignored == ("vrm",)


def test_a_wrong_header_says_what_was_found_needed_and_what_to_try() -> None:
    with pytest.raises(CliError) as caught:
        match_columns(["Cam", "Plate Number", "t_ms", "force"], {}, None)
    said = caught.value.message
    assert "columns found: Cam, Plate Number, t_ms, force" in said
    assert "needed and missing: camera_id, captured_at, vrm" in said
    assert '--map camera_id=Cam --map captured_at=t_ms --map vrm="Plate Number"' in said


def test_without_a_force_column_the_option_is_suggested_and_enough() -> None:
    names = ["camera_id", "captured_at", "vrm"]
    with pytest.raises(CliError, match="--force CODE"):
        match_columns(names, {}, None)
    assert "force" not in match_columns(["force", *names], {}, "essex").theirs


def test_a_map_to_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CliError, match=r"needed and missing: heading \(as bearing\)"):
        match_columns(ALL, {"heading": "bearing"}, None)


@pytest.mark.parametrize("pair", ["vrm", "vrm=", "=plate", "colour=red"])
def test_a_map_that_names_no_column_of_ours_is_refused(pair: str) -> None:
    with pytest.raises(CliError, match="say OURS=THEIRS"):
        parse_map([pair])


def test_two_columns_of_one_name_are_refused_where_we_would_have_to_choose() -> None:
    with pytest.raises(CliError, match="several columns called vrm; rename"):
        match_columns([*ALL, " VRM"], {}, None)
    assert match_columns([*ALL, "note", "note"], {}, None).ignored == ("note", "note")


def test_a_column_that_is_mapped_twice_is_refused() -> None:
    with pytest.raises(CliError, match="vrm is mapped twice"):
        parse_map(["vrm=plate", "vrm=reg"])
    assert parse_map(["vrm=plate", "vrm=plate"]) == {"vrm": "plate"}
