"""Several lines with one plate make one alert, which loses nothing that an officer has to know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from gantry.match.v1.alert_pb2 import Alert
from hypothesis import given
from hypothesis import strategies as st

from services.match.alerts.filtering import Subject, Wanted
from services.match.matching.merging import MOST_ENTRIES, Entry, Merged, merge_all

MARKERS = st.lists(st.sampled_from(["ARMED", "VIOLENT", "DRUGS", "Armed"]), unique=True, max_size=3)
WEED_AT = datetime(2026, 12, 1, tzinfo=UTC)


def _entry(line: int, **values: object) -> Entry:
    given_values = {
        "hotlist_no": 1,
        "hotlist": "stolen",
        "near_matches": True,
        "folded_key": 7,
        "vrm": "DU09PLE",
        "line": line,
        "weed_at": None,
        "priority": 5,
        "reason": f"line {line}",
        "markers": "",
        "instruction": "",
    }
    return Entry(**{**given_values, **values})  # type: ignore[arg-type]


@st.composite
def _entries(draw: st.DrawFn) -> list[Entry]:
    lines = draw(st.lists(st.integers(2, 400), min_size=1, max_size=30, unique=True))
    return [
        _entry(
            line,
            priority=draw(st.integers(1, 9)),
            markers=";".join(draw(MARKERS)),
            instruction=draw(st.sampled_from(["", f"do {line}"])),
            vrm=draw(st.sampled_from(["DU09PLE", "DUO9PLE"])),
            hotlist_no=draw(st.integers(1, 2)),
        )
        for line in lines
    ]


def _shown(merged: Merged) -> Alert:
    return Alert.FromString(merged.entries)


@given(_entries(), st.randoms())
def test_no_order_of_lines_drops_a_marker_or_a_priority(entries: Sequence[Entry], chance) -> None:
    merged = merge_all(entries)
    shuffled = list(entries)
    chance.shuffle(shuffled)
    key = lambda each: (each.hotlist_no, each.vrm)  # noqa: E731
    assert sorted(merge_all(shuffled), key=key) == sorted(merged, key=key)
    assert {key(each) for each in merged} == {key(each) for each in entries}
    for each in merged:
        lines = [entry for entry in entries if key(entry) == key(each)]
        assert each.priority == min(entry.priority for entry in lines)
        strongest = min(lines, key=lambda entry: (entry.priority, entry.line))
        assert each.reason == strongest.reason
        markers = each.markers.split(";") if each.markers else []
        wanted = {marker.casefold() for entry in lines for marker in entry.markers.split(";") if marker}
        assert sorted(marker.casefold() for marker in markers) == sorted(wanted)
        assert bool(each.instruction) == any(entry.instruction for entry in lines)
        shown = _shown(each)
        assert len(shown.entries) + shown.further_entries == len(lines)
        assert [entry.priority for entry in shown.entries] == sorted(entry.priority for entry in lines)[
            :MOST_ENTRIES
        ]


def test_the_weaker_line_that_comes_later_takes_nothing_away():
    (merged,) = merge_all(
        [
            _entry(
                2, priority=1, reason="Armed robbery", markers="ARMED;VIOLENT", instruction="Do not approach"
            ),
            _entry(3, priority=9, reason="No MOT", markers="NO MOT", instruction="Words of advice"),
        ]
    )
    assert (merged.priority, merged.reason, merged.instruction) == (1, "Armed robbery", "Do not approach")
    assert merged.markers == "ARMED;VIOLENT;NO MOT"
    assert [(entry.line, entry.reason) for entry in _shown(merged).entries] == [
        (2, "Armed robbery"),
        (3, "No MOT"),
    ]


def test_an_entry_is_shown_as_its_line_has_it():
    (merged,) = merge_all(
        [_entry(2, weed_at=WEED_AT, make="Yamaha", model="MT-07", colour="blue", country="DE")]
    )
    (entry,) = _shown(merged).entries
    assert entry.weed_at.ToDatetime(UTC) == WEED_AT
    vehicle = entry.vehicle
    assert (vehicle.make, vehicle.model, vehicle.colour, vehicle.country) == ("Yamaha", "MT-07", "blue", "DE")
    (merged,) = merge_all([_entry(2)])
    (entry,) = _shown(merged).entries
    assert not entry.HasField("weed_at")
    assert not entry.HasField("vehicle")


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (Wanted(), True),
        (Wanted(hotlists=("other", "stolen")), True),
        (Wanted(hotlists=("other",)), False),
        (Wanted(camera_ids=("a12",)), True),
        (Wanted(camera_ids=("m25",)), False),
        (Wanted(lowest_priority=3), True),
        (Wanted(lowest_priority=2), False),
        (Wanted(near=True), True),
        (Wanted(near=False), False),
        (Wanted(hotlists=("stolen",), near=False), False),
    ],
)
def test_a_filter_wants_what_meets_every_condition(wanted: Wanted, has: bool):
    assert wanted.has(Subject("stolen", "a12", 3, True)) is has
