"""Vehicles move as vehicles do: along linked cameras, at a driver's speeds, one place at a time."""

from itertools import islice, pairwise
from math import inf

import pytest

from simulators.cameras.geometry import distance_km
from simulators.cameras.journeys import Journeys, Passing
from simulators.cameras.world import World

_WORLD = World.build(5)


@pytest.fixture(scope="module")
def passings() -> list[Passing]:
    return list(Journeys(_WORLD, 5).passings(4.0, 1800.0))


def test_passings_come_in_order_and_in_time(passings: list[Passing]) -> None:
    times = [passing.at for passing in passings]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 1800


def test_the_rate_is_about_what_was_asked_from_the_first_minute_on(passings: list[Passing]) -> None:
    thirds = [sum(third <= passing.at // 600 < third + 1 for passing in passings) for third in range(3)]
    assert all(0.75 * 2400 < count < 1.3 * 2400 for count in thirds), thirds


def test_many_vehicles_are_seen_along_a_route_at_plausible_speeds(passings: list[Passing]) -> None:
    seen: dict[int, list[Passing]] = {}
    for passing in passings:
        seen.setdefault(passing.vehicle.number, []).append(passing)
    assert sum(len(own) >= 3 for own in seen.values()) > 200
    for own in seen.values():
        for one, later in pairwise(own):
            km = distance_km(_place(one), _place(later))
            hours = (later.at - one.at) / 3600
            assert km < 0.3 + 170 * hours, "a vehicle was in two places too far apart"


def test_speeds_are_those_of_the_road(passings: list[Passing]) -> None:
    for passing in passings:
        if passing.camera.kind == "fixed":
            assert 0.5 * passing.camera.limit_kph < passing.speed_kph < 1.4 * passing.camera.limit_kph
        if passing.vehicle.kind == "HGV":
            assert passing.speed_kph < 96


def test_mobile_units_meet_vehicles_where_they_are_on_patrol(passings: list[Passing]) -> None:
    units = {patrol.unit.camera_id: patrol for patrol in _WORLD.patrols}
    met = [passing for passing in passings if passing.camera.kind == "mobile"]
    assert {passing.camera.camera_id for passing in met} == set(units)
    for passing in met:
        patrol = units[passing.camera.camera_id]
        assert passing.place == pytest.approx(patrol.path.at(patrol.km_at(passing.at)))


def test_the_seed_settles_everything() -> None:
    def first(seed: int) -> list[tuple[float, str, str]]:
        flow = Journeys(_WORLD, seed).passings(4.0, inf)
        return [
            (passing.at, passing.camera.camera_id, passing.vehicle.plate.vrm) for passing in islice(flow, 500)
        ]

    assert first(1) == first(1)
    assert first(1) != first(2)


def _place(passing: Passing) -> tuple[float, float]:
    return passing.place or (passing.camera.latitude, passing.camera.longitude)
