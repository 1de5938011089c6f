"""An alert shows its doubt in words, and never breaks a plate, a time or an id."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from gantry.match.v1.alert_pb2 import MATCH_KIND_EXACT, MATCH_KIND_NEAR, Alert, MatchedEntry, Vehicle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli import output
from cli.alert_text import age_text, show_alert
from cli.inert import width_of
from cli.panel.alert_lines import alert_line

CAPTURED = datetime(2026, 11, 27, 4, 40, tzinfo=UTC)
Show = Callable[..., list[str]]


def _alert(**changes: object) -> Alert:
    alert = Alert(
        alert_id="1234",
        kind=MATCH_KIND_EXACT,
        hotlist="f13",
        entry_vrm="BNO1334",
        reason="Stolen motorcycle",
        priority=2,
        instruction="Stop",
        raised_at=CAPTURED + timedelta(seconds=3),
        entries=[
            MatchedEntry(
                line=2,
                reason="Stolen motorcycle",
                priority=2,
                vehicle=Vehicle(make="Yamaha", model="MT-07", colour="blue", country="DE"),
            )
        ],
    )
    read = alert.read
    read.force, read.camera_id, read.vrm, read.confidence = "essex", "F13", "BNO1334", 0.31
    read.captured_at.FromDatetime(CAPTURED)
    read.position.latitude, read.position.longitude = 51.7, 0.5
    for name, value in changes.items():
        setattr(alert, name, value)
    return alert


def _armed() -> Alert:
    alert = _alert(late=True)
    alert.markers.append("ARMED")
    return alert


@pytest.fixture
def show(monkeypatch, capsys) -> Show:
    """Gives a function that prints an alert at a width and returns the lines. None: into a pipe."""

    def lines(alert: Alert, width: int | None = None) -> list[str]:
        monkeypatch.setattr(output, "_terminal_width", lambda: width)
        show_alert(alert)
        return capsys.readouterr().out.splitlines()

    return lines


def test_two_lines_are_enough_to_doubt(show: Show):
    first, second, *_ = show(_alert())
    assert first == " BNO1334  exact match priority 2 Stolen motorcycle"
    assert second.strip() == (
        "confidence 0.31, LOW: look at the picture first; list: blue Yamaha MT-07, country DE"
    )


def test_what_list_and_camera_say_of_the_vehicle_is_compared(show: Show):
    alert = _alert()
    details = alert.read.details
    details.vehicle_colour, details.vehicle_make, details.plate_country = "RED", "YAMAHA", "NL"
    alert.read.confidence = 0.95
    assert show(alert)[1].strip() == (
        "confidence 0.95; list: blue Yamaha MT-07, country DE; camera: RED YAMAHA, country NL; "
        "DIFFERENT colour and country: is it this vehicle?"
    )
    details.vehicle_colour, details.plate_country = "Blue", "DE"
    alert.entries[0].vehicle.country = "DEU"
    assert "DIFFERENT" not in show(alert)[1]


def test_a_near_match_marks_the_characters_that_differ_in_text(show: Show):
    alert = _alert(kind=MATCH_KIND_NEAR)
    alert.read.vrm = "8NO1334"
    alert.differing_characters.append(0)
    first, second, *_ = show(alert)
    assert "near match of BNO1334" in first
    assert second.strip().startswith("read [8]NO1334, list [B]NO1334;")


def test_a_late_alert_says_so_and_how_old_it_is(show: Show):
    late = _alert(late=True)
    late.raised_at.FromDatetime(CAPTURED + timedelta(hours=6, minutes=52))
    first, _, third, *_ = show(late)
    assert " LATE: 6 h 52 min old " in first
    assert "2026-11-27 04:40:00 (6 h 52 min before the alert)" in third
    assert "LATE" not in "".join(show(_alert()))
    ahead = _alert(raised_at=CAPTURED - timedelta(seconds=12))
    assert "(12 s ahead of the server's clock)" in show(ahead)[2]


@pytest.mark.parametrize(
    ("age", "text"),
    [
        ({"milliseconds": 45}, "under 1 s"),
        ({"seconds": 59}, "59 s"),
        ({"seconds": 150}, "2 min 30 s"),
        ({"minutes": 31}, "31 min"),
        ({"hours": 30}, "30 h 0 min"),
        ({"days": 3}, "3 days"),
    ],
)
def test_an_age_has_the_units_that_matter(age: dict[str, int], text: str):
    assert age_text(timedelta(**age)) == text


def test_the_camera_has_its_name_and_its_id(show: Show):
    assert (
        "essex A12 J19 northbound [F13] (51.7000 0.5000)" in show(_alert(camera_name="A12 J19 northbound"))[2]
    )
    assert "essex F13 (51.7000 0.5000)" in show(_alert(camera_name="F13"))[2]
    nowhere = _alert()
    nowhere.read.ClearField("position")
    assert "essex F13 place not known" in show(nowhere)[2]
    doubtful = _alert()
    doubtful.read.details.position_doubtful = True
    assert "place doubtful" in show(doubtful)[2]


def test_each_line_of_the_list_is_named(show: Show):
    alert = _alert(further_entries=3)
    alert.entries.add(line=3, reason="No MOT", priority=9, markers=["NO MOT"], instruction="Words of advice")
    lines = [line.strip() for line in show(alert)]
    assert "list f13 line 2 - Stop" in lines
    assert "also on the list: line 3, priority 9: NO MOT, No MOT - Words of advice" in lines
    assert "and 3 more lines of the list" in lines


def test_an_alert_of_the_release_before_shows_what_it_has(show: Show):
    alert = _alert()
    alert.ClearField("entries")
    assert "list f13 - Stop" in [line.strip() for line in show(alert)]


def test_the_panel_tells_the_doubt_before_the_reason():
    line = alert_line(_armed())
    assert line.reason == "LATE ARMED Stolen motorcycle (confidence 0.31)"
    near = _alert(kind=MATCH_KIND_NEAR)
    near.read.vrm, near.read.confidence = "8NO1334", 0.99
    near.differing_characters.append(0)
    assert alert_line(near).reason == "for [B]NO1334: Stolen motorcycle"


WORDS = st.text(alphabet="abcdefghij klmn", max_size=120)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    width=st.integers(40, 120),
    vrm=st.text(alphabet="AB8", min_size=1, max_size=12),
    camera_id=st.text(alphabet="ABC-", min_size=1, max_size=20),
    texts=st.tuples(WORDS, WORDS, WORDS, WORDS),
    markers=st.lists(st.text(alphabet="ABCD E", min_size=1, max_size=30), max_size=6),
)
def test_no_line_is_too_long_and_no_plate_time_or_id_is_broken(
    show: Show, width: int, vrm: str, camera_id: str, texts: tuple[str, ...], markers: list[str]
):
    alert = _alert(kind=MATCH_KIND_NEAR, late=True)
    alert.reason, alert.instruction, alert.camera_name, alert.hotlist = texts
    alert.entry_vrm = alert.read.vrm = vrm
    alert.read.camera_id = camera_id
    alert.markers.extend(markers)
    lines = show(alert, width)
    assert all(width_of(line.rstrip()) <= width for line in lines)
    for whole in (f" {vrm} ", f"near match of {vrm}", camera_id, "2026-11-27 04:40:00", "alert 1234:"):
        assert any(whole in line for line in lines), whole
    in_one = " ".join(" ".join(show(alert)).split())
    assert " ".join(" ".join(lines).split()) == in_one
