"""Places: what no fix looks like, and squares around a point."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr.place import box_around, is_no_fix


@pytest.mark.parametrize(
    "place", [(0.0, 0.0), (-0.0, 0.0), (0.0, 0.000001), (0.009, -0.009), (float("nan"), float("nan"))]
)
def test_no_fix(place: tuple[float, float]) -> None:
    assert is_no_fix(*place)


@pytest.mark.parametrize("place", [(51.7, 0.0), (51.7, 0.5), (0.5, 51.7), (0.0, 6.6), (-0.02, 0.0)])
def test_a_fix(place: tuple[float, float]) -> None:
    assert not is_no_fix(*place)


@given(st.floats(-80, 80), st.floats(-179, 179), st.floats(1, 10_000))
def test_a_box_has_its_centre_inside(latitude: float, longitude: float, metres: float) -> None:
    south, west, north, east = box_around(latitude, longitude, metres)
    assert south < latitude < north
    assert west < longitude < east
    assert (north - south) * 111_195 == pytest.approx(2 * metres, rel=1e-6)
