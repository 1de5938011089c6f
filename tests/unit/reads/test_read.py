"""One read of a run, with placeholders turned into absent fields."""

import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.common.v1.read_pb2 import ReadDetails
from hypothesis import given
from hypothesis import strategies as st

from reads.columns import HEADING_UNKNOWN, PLACE_UNKNOWN
from reads.read import ReadIdentity, degrees, e7, identity_at, place_of, read_at


def one(**changes) -> ReadColumns:
    values = {
        "camera_ids": ["spare", "A12-J19"],
        "camera_indexes": [1],
        "read_ids": ["r-1"],
        "captured_at_us": [1_700_000_000_123_456],
        "vrms": ["AB12CDE"],
        "confidences": [0.5],
        "latitudes_e7": [517_300_000],
        "longitudes_e7": [4_700_000],
        "headings": [90],
        "details": [ReadDetails(lane=2).SerializeToString()],
    }
    return ReadColumns(**values | changes)


def test_a_read_has_what_its_columns_say():
    read = read_at("essex", one(), 0)
    assert (read.force, read.camera_id, read.read_id) == ("essex", "A12-J19", "r-1")
    assert read.captured_at.ToMicroseconds() == 1_700_000_000_123_456
    assert (read.vrm, read.confidence, read.heading, read.details.lane) == ("AB12CDE", 0.5, 90, 2)
    assert (read.position.latitude, read.position.longitude) == (51.73, 0.47)


@pytest.mark.parametrize("name", ["latitudes_e7", "longitudes_e7"])
def test_an_unknown_place_is_absent(name):
    assert not read_at("essex", one(**{name: [PLACE_UNKNOWN]}), 0).HasField("position")


@pytest.mark.parametrize("headings", [[], [HEADING_UNKNOWN]])
def test_an_unknown_heading_is_absent(headings):
    assert not read_at("essex", one(headings=headings), 0).HasField("heading")


def test_heading_north_is_known():
    read = read_at("essex", one(headings=[0]), 0)
    assert read.HasField("heading")
    assert read.heading == 0


@pytest.mark.parametrize("details", [[], [b""]])
def test_no_details_are_absent(details):
    assert not read_at("essex", one(details=details), 0).HasField("details")


def test_a_read_is_identified_by_camera_time_and_read_id():
    assert identity_at(one(), 0) == ReadIdentity("A12-J19", 1_700_000_000_123_456, "r-1")


@given(st.integers(-1_800_000_000, 1_800_000_000))
def test_an_angle_survives_degrees_and_back(angle):
    assert e7(degrees(angle)) == angle


def test_the_equator_is_a_place():
    place = place_of(0, 0)
    assert place is not None
    assert (place.latitude, place.longitude) == (0.0, 0.0)
