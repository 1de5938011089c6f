"""The world is the one that the brief asks for, and its roads hang together."""

from collections import Counter
from itertools import pairwise
from math import cos, radians

import pytest

from simulators.cameras.geometry import Path, course, distance_km
from simulators.cameras.world import World, players

# Police areas of Essex and Kent with Thurrock, Southend and Medway: (south, west, north, east) in degrees.
_COUNTIES = {"essex": (51.44, -0.03, 52.10, 1.30), "kent": (50.90, 0.02, 51.49, 1.46)}


@pytest.fixture(scope="module")
def world() -> World:
    return World.build(7)


def test_two_forces_have_at_least_sixty_fixed_and_six_mobile_cameras(world: World) -> None:
    kinds = Counter((site.force, site.kind) for site in world.cameras)
    assert kinds["essex", "fixed"] + kinds["kent", "fixed"] >= 60
    assert kinds["essex", "mobile"] == kinds["kent", "mobile"] == 3
    assert {site.force for site in world.cameras} == {"essex", "kent"}


def test_camera_ids_are_unique_and_carry_force_and_road(world: World) -> None:
    ids = [site.camera_id for site in world.cameras]
    assert len(set(ids)) == len(ids)
    for site in world.cameras:
        force, place, _ = site.camera_id.split("-")
        assert force == {"essex": "ESX", "kent": "KNT"}[site.force]
        assert place == (site.road if site.kind == "fixed" else "MOB")


def test_every_camera_stands_in_its_county(world: World) -> None:
    for site in world.cameras:
        south, west, north, east = _COUNTIES[site.force]
        assert south < site.latitude < north, site.camera_id
        assert west < site.longitude < east, site.camera_id
        assert 0 <= site.heading < 360
        assert 1 <= site.lanes <= 4


def test_known_places_are_where_maps_have_them(world: World) -> None:
    known = {
        "KNT-A282-002": (51.4647, 0.2588),  # main span of the Queen Elizabeth II Bridge
        "KNT-A249-003": (51.3905, 0.7490),  # Sheppey Crossing
        "KNT-A20-005": (51.1250, 1.3220),  # Townwall Street, Dover
        "ESX-A120-001": (51.8800, 0.2420),  # south edge of Stansted Airport
        "ESX-A127-005": (51.5443, 0.7092),  # Southend Civic Centre
        "ESX-A1089-001": (51.4640, 0.3480),  # gate of Tilbury Docks
    }
    for camera_id, place in known.items():
        site = world.camera(camera_id)
        assert distance_km(place, (site.latitude, site.longitude)) < 0.7, camera_id


def test_opposite_carriageways_of_a_site_are_close_and_face_apart(world: World) -> None:
    fixed = {site.name: site for site in world.cameras if site.kind == "fixed" and site.road != "A282"}
    north = [name for name in fixed if "northbound" in name]
    both = [(fixed[name], fixed[name.replace("northbound", "southbound")]) for name in north]
    assert len(both) > 20
    for one, other in both:
        assert distance_km((one.latitude, one.longitude), (other.latitude, other.longitude)) < 1.0
        assert abs((one.heading - other.heading) % 360 - 180) <= 45, one.name


def test_every_camera_can_be_reached_or_left(world: World) -> None:
    reached = {leg.to.camera_id for legs in world.legs.values() for leg in legs}
    for site in world.cameras:
        if site.kind == "fixed":
            assert world.legs[site.camera_id] or site.camera_id in reached, site.camera_id


def test_legs_along_one_road_go_the_way_the_camera_looks(world: World) -> None:
    for camera_id, legs in world.legs.items():
        site = world.camera(camera_id)
        for leg in legs:
            assert 0.5 < leg.km < 75
            if leg.to.road == site.road:
                way = course((site.latitude, site.longitude), (leg.to.latitude, leg.to.longitude))
                assert cos(radians(way - site.heading)) > -0.6, camera_id


def test_feeds_are_gateways_single_cameras_and_vehicles(world: World) -> None:
    for force in ("essex", "kent"):
        sizes = Counter(len(feed.cameras) for feed in world.feeds if feed.force == force)
        assert sum(count for size, count in sizes.items() if size >= 10) >= 4
        assert sizes[1] >= 6
    carried = [site.camera_id for feed in world.feeds for site in feed.cameras]
    assert sorted(carried) == sorted(site.camera_id for site in world.cameras)
    assert all(site.force == feed.force for feed in world.feeds for site in feed.cameras)


def test_the_seed_settles_the_patrols_only() -> None:
    one, same, other = World.build(1), World.build(1), World.build(2)
    assert one.cameras == same.cameras == other.cameras
    assert [patrol.start_km for patrol in one.patrols] == [patrol.start_km for patrol in same.patrols]
    assert [patrol.start_km for patrol in one.patrols] != [patrol.start_km for patrol in other.patrols]


def test_a_patrol_stays_on_its_road(world: World) -> None:
    for patrol in world.patrols:
        places = [patrol.km_at(seconds) for seconds in range(-3600, 7200, 30)]
        assert all(0 <= km <= patrol.path.km for km in places)
        assert max(places) - min(places) > 20
        assert all(abs(b - a) <= patrol.kph / 120 + 1e-6 for a, b in pairwise(places))


def test_a_path_measures_and_interpolates() -> None:
    path = Path([(51.0, 0.0), (51.1, 0.0), (51.1, 0.2)])
    assert path.km == pytest.approx(11.12 + 13.97, abs=0.05)
    assert path.at(-1) == (51.0, 0.0)
    assert path.at(5.56) == pytest.approx((51.05, 0.0))
    assert path.at(99) == pytest.approx((51.1, 0.2))
    assert (path.course_at(1), path.course_at(20)) == (0, 90)
    assert path.nearest((51.09, -0.01)) == pytest.approx(0.9 * 11.12)
    assert path.nearest((51.2, 0.1)) == pytest.approx(11.12 + 6.98, abs=0.05)


@pytest.mark.parametrize(
    ("forces", "essex", "kent"),
    [
        (("essex", "kent"), "essex", "kent"),
        (("kent", "essex"), "essex", "kent"),
        (("avon", "dorset", "devon"), "avon", "dorset"),
        (("avon", "essex"), "essex", "avon"),
        (("kent",), "kent", "kent"),
        (("avon",), "avon", "avon"),
    ],
)
def test_other_forces_take_the_places_of_the_two(forces: tuple[str, ...], essex: str, kent: str) -> None:
    assert players(forces) == {"essex": essex, "kent": kent}
    world = World.build(7, forces)
    assert {feed.force for feed in world.feeds} == {essex, kent}
    assert [camera.camera_id for camera in world.cameras] == [
        camera.camera_id for camera in World.build(7).cameras
    ]
