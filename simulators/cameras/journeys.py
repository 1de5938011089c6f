"""Journeys: a vehicle passes camera after camera along a route, at times that a driver could manage."""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import accumulate, count, pairwise
from random import Random
from typing import NamedTuple

from simulators.cameras.geometry import Point, distance_km
from simulators.cameras.vehicles import AVERAGE_PACE, Fleet, Vehicle
from simulators.cameras.world import CameraSite, Patrol, World

HGV_KPH = 90.0
# Probability that a vehicle reaches the next camera and neither stops nor leaves the roads with cameras.
GO_ON = 0.86
MOST_PASSINGS = 12
# A meeting of a vehicle and a mobile unit is looked for in steps that neither can double back within.
MEETING_STEP_SECONDS = 20.0
# Vehicles there are for each one that is on the road: the others are at home.
VEHICLES_PER_JOURNEY = 12
FEWEST_VEHICLES = 20_000
# Long enough to have come from anywhere in the two counties when it is next seen.
REST_SECONDS = 3_600.0
# A camera farther from a patrol's path than this is not on it.
ON_PATROL_KM = 0.5
_SAMPLED_ROUTES = 1_500


class Passing(NamedTuple):
    """A vehicle in front of a camera. Sorts by time."""

    at: float
    """Simulated seconds since the run began."""
    order: int
    vehicle: Vehicle
    camera: CameraSite
    speed_kph: float
    place: Point | None
    """Where a mobile camera was; None for a fixed one."""
    heading: int


class _Stop(NamedTuple):
    """A fixed camera on a route and when it is passed, in seconds after the first."""

    camera: CameraSite
    after: float
    speed_kph: float


_Route = Sequence[_Stop]


class Journeys:
    """The traffic of one run. Draws only from its seed."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._rng = Random(f"{seed}/journeys")
        self._fleet = Fleet(seed)
        self._order = count()
        self._busy: dict[int, float] = {}
        self._entries = [site for site in world.cameras if site.kind == "fixed"]
        self._entry_weights = [site.lanes for site in self._entries]
        self._patrols: dict[str, list[Patrol]] = {}
        for patrol in world.patrols:
            self._patrols.setdefault(patrol.unit.road, []).append(patrol)
        self._marks: dict[tuple[str, str], float | None] = {}
        # Two habits of driving: ordinary vehicles, and lorries with a limiter.
        self._samples = {heavy: self._sample_routes(heavy) for heavy in (False, True)}

    def passings(self, rate: float, seconds: float) -> Iterator[Passing]:
        """Passings in order of time from 0 to `seconds` simulated seconds, about `rate` of them a second.

        Journeys that began before the start are under way at the start.
        """
        routes, _ = self._samples[False]
        starts_per_second = rate * len(routes) / sum(len(route) for route in routes)
        mean_seconds = sum(route[-1].after for route in routes) / len(routes)
        under_way = round(starts_per_second * mean_seconds)
        vehicles = max(FEWEST_VEHICLES, VEHICLES_PER_JOURNEY * under_way)
        coming: list[Passing] = []
        for _ in range(under_way):
            for passing in self._journey_under_way(vehicles, seconds):
                heappush(coming, passing)
        start = 0.0
        while start <= seconds:
            start += self._rng.expovariate(starts_per_second)
            while coming and coming[0].at <= min(start, seconds):
                yield heappop(coming)
            for passing in self._new_journey(vehicles, start, seconds):
                heappush(coming, passing)

    def _new_journey(self, vehicles: int, start: float, until: float) -> Iterator[Passing]:
        vehicle = self._idle_vehicle(vehicles, start)
        route = self._draw_route(vehicle.pace, vehicle.kind == "HGV")
        self._busy[vehicle.number] = start + route[-1].after + REST_SECONDS
        return self._passings(vehicle, route, start, until)

    def _journey_under_way(self, vehicles: int, until: float) -> Iterator[Passing]:
        vehicle = self._idle_vehicle(vehicles, 0.0)
        routes, seconds = self._samples[vehicle.kind == "HGV"]
        # The chance that a journey is under way at the start grows with its length.
        route = self._rng.choices(routes, cum_weights=seconds)[0]
        start = -self._rng.uniform(0.0, route[-1].after)
        self._busy[vehicle.number] = start + route[-1].after + REST_SECONDS
        return self._passings(vehicle, route, start, until)

    def _idle_vehicle(self, vehicles: int, start: float) -> Vehicle:
        # Some vehicles are out far more often than others.
        number = int(vehicles * self._rng.random() ** 1.5)
        while self._busy.get(number, start) > start:
            number = (number + 1) % vehicles
        return self._fleet.vehicle(number)

    def _sample_routes(self, heavy: bool) -> tuple[list[_Route], list[float]]:
        routes = [self._draw_route(AVERAGE_PACE, heavy) for _ in range(_SAMPLED_ROUTES)]
        return routes, list(accumulate(route[-1].after for route in routes))

    def _draw_route(self, pace: float, heavy: bool) -> _Route:
        rng = self._rng
        camera = rng.choices(self._entries, self._entry_weights)[0]
        route = [_Stop(camera, 0.0, _speed(camera.limit_kph, pace, heavy, rng))]
        seen = {camera.camera_id}
        while len(route) < MOST_PASSINGS and rng.random() < GO_ON:
            ways = [leg for leg in self._world.legs[camera.camera_id] if leg.to.camera_id not in seen]
            if not ways:
                break
            leg = rng.choices(ways, [way.weight for way in ways])[0]
            after = route[-1].after + leg.km / _speed(leg.limit_kph, pace, heavy, rng) * 3600
            camera = leg.to
            route.append(_Stop(camera, after, _speed(camera.limit_kph, pace, heavy, rng)))
            seen.add(camera.camera_id)
        return route

    def _passings(self, vehicle: Vehicle, route: _Route, start: float, until: float) -> Iterator[Passing]:
        """The passings between 0 and `until`; not in order where a mobile unit is met."""
        for stop in route:
            if 0 <= start + stop.after <= until:
                at, camera = start + stop.after, stop.camera
                yield Passing(at, next(self._order), vehicle, camera, stop.speed_kph, None, camera.heading)
        for begin, end in pairwise(route):
            if begin.camera.road == end.camera.road and start + end.after > 0 and start + begin.after < until:
                yield from self._meetings(vehicle, begin, end, start, until)

    def _meetings(
        self, vehicle: Vehicle, begin: _Stop, end: _Stop, start: float, until: float
    ) -> Iterator[Passing]:
        for patrol in self._patrols.get(begin.camera.road, ()):
            begin_km, end_km = self._mark(patrol, begin.camera), self._mark(patrol, end.camera)
            if begin_km is None or end_km is None:
                continue
            kph = (end_km - begin_km) / (end.after - begin.after) * 3600
            met = _meeting(patrol, begin_km, kph, start + begin.after, start + end.after)
            if met is not None and 0 <= met <= until:
                km = patrol.km_at(met)
                outward = patrol.path.course_at(km)
                heading = outward if kph > 0 else (outward + 180) % 360
                yield Passing(
                    met, next(self._order), vehicle, patrol.unit, abs(kph), patrol.path.at(km), heading
                )

    def _mark(self, patrol: Patrol, camera: CameraSite) -> float | None:
        """Where on the patrol's path a camera stands; None when the patrol does not come that far."""
        key = patrol.unit.camera_id, camera.camera_id
        if key not in self._marks:
            place = camera.latitude, camera.longitude
            km = patrol.path.nearest(place)
            self._marks[key] = km if distance_km(place, patrol.path.at(km)) < ON_PATROL_KM else None
        return self._marks[key]


def _speed(limit_kph: float, pace: float, heavy: bool, rng: Random) -> float:
    wanted = limit_kph * pace * rng.uniform(0.88, 1.04)
    return min(wanted, HGV_KPH) if heavy else wanted


def _meeting(patrol: Patrol, begin_km: float, kph: float, start: float, end: float) -> float | None:
    """When the vehicle is beside the unit, or None if they do not meet on this leg."""
    at, gap = start, patrol.km_at(start) - begin_km
    while at < end:
        later = min(at + MEETING_STEP_SECONDS, end)
        next_gap = patrol.km_at(later) - begin_km - kph * (later - start) / 3600
        if gap * next_gap < 0:
            return at + (later - at) * gap / (gap - next_gap)
        at, gap = later, next_gap
    return None
