"""The cameras of two forces: their places, their feeds, and the next camera on each road."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from random import Random
from typing import Literal

from simulators.cameras.geometry import Path, Point, distance_km

KPH_PER_MPH = 1.609344
# Roads wind between two cameras; the straight line is about this much shorter.
WINDING = 1.12
PATROL_KPH = (72.0, 96.0)
# A driver stays on the road they are on more often than they turn off.
STAY_ON_ROAD = 3.0
FORCES = ("essex", "kent")
"""The forces whose roads and cameras this world has."""


@dataclass(frozen=True, slots=True)
class CameraSite:
    """A camera as enrolled. A mobile one starts its patrol there; its reads carry their own place."""

    number: int
    """Index in `World.cameras`."""
    force: str
    camera_id: str
    feed: str
    name: str
    road: str
    kind: Literal["fixed", "mobile"]
    latitude: float
    longitude: float
    heading: int
    """Course of the traffic it watches, degrees clockwise from north."""
    lanes: int
    limit_kph: float


@dataclass(frozen=True, slots=True)
class Feed:
    """One connection to ingest: a vendor's gateway with many cameras, a single camera, or a vehicle."""

    force: str
    name: str
    cameras: tuple[CameraSite, ...]


@dataclass(frozen=True, slots=True)
class Leg:
    """The way from one camera to the next on a driver's route."""

    to: CameraSite
    km: float
    weight: float
    """How likely drivers take it, relative to the other legs from the same camera."""
    limit_kph: float


@dataclass(frozen=True, slots=True)
class Patrol:
    """A mobile unit that drives up and down a road at an even speed."""

    unit: CameraSite
    path: Path
    kph: float
    start_km: float

    def km_at(self, seconds: float) -> float:
        """Kilometres from the start of the path at that simulated time, which may be negative."""
        gone = (self.start_km + self.kph * seconds / 3600) % (2 * self.path.km)
        return min(gone, 2 * self.path.km - gone)


@dataclass(frozen=True, slots=True)
class World:
    """The roads and cameras. Build it once; all runs share it."""

    cameras: tuple[CameraSite, ...]
    feeds: tuple[Feed, ...]
    legs: Mapping[str, tuple[Leg, ...]]
    """By camera id, the ways on from there; empty where traffic leaves the two counties."""
    patrols: tuple[Patrol, ...]

    @classmethod
    def build(cls, seed: int, forces: Sequence[str] = FORCES) -> "World":
        """The two forces' cameras. The seed determines only the patrols of the mobile units.

        Other `forces` take their places: see `players`.
        """
        plays = players(forces)
        rows = [row | {"force": plays[row["force"]]} for row in _rows("cameras.csv")]
        fixed = [_fixed_site(number, row) for number, row in enumerate(rows)]
        patrols = tuple(_patrols(len(fixed), Random(f"{seed}/patrols"), plays))
        cameras = (*fixed, *(patrol.unit for patrol in patrols))
        by_id = {site.camera_id: site for site in cameras}
        legs = {row["camera_id"]: tuple(_legs(by_id, row)) for row in rows}
        return cls(cameras, tuple(_feeds(cameras)), legs, patrols)

    def camera(self, camera_id: str) -> CameraSite:
        """The camera with that id. Raises KeyError."""
        for site in self.cameras:
            if site.camera_id == camera_id:
                return site
        raise KeyError(camera_id)


def players(forces: Sequence[str]) -> dict[str, str]:
    """By force of this world, the given force that gets its cameras.

    A single force gets all of them. A third and later ones get none.
    """
    others = [force for force in forces if force not in FORCES]
    plays = {force: force if force in forces else (others.pop(0) if others else "") for force in FORCES}
    only = next(filter(None, plays.values()), FORCES[0])
    return {force: player or only for force, player in plays.items()}


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (files(__package__) / name).open(encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def _fixed_site(number: int, row: Mapping[str, str]) -> CameraSite:
    return CameraSite(
        number=number,
        force=row["force"],
        camera_id=row["camera_id"],
        feed=row["feed"],
        name=row["name"],
        road=row["road"],
        kind="fixed",
        latitude=float(row["latitude"]),
        longitude=float(row["longitude"]),
        heading=int(row["heading"]),
        lanes=int(row["lanes"]),
        limit_kph=int(row["limit_mph"]) * KPH_PER_MPH,
    )


def _legs(by_id: Mapping[str, CameraSite], row: Mapping[str, str]) -> Iterator[Leg]:
    start = by_id[row["camera_id"]]
    for camera_id in row["leads_to"].split():
        end = by_id[camera_id]
        km = distance_km((start.latitude, start.longitude), (end.latitude, end.longitude)) * WINDING
        weight = STAY_ON_ROAD if end.road == start.road else 1.0
        yield Leg(end, km, weight, min(start.limit_kph, end.limit_kph))


def _patrols(first_number: int, rng: Random, plays: Mapping[str, str]) -> Iterator[Patrol]:
    lines: dict[tuple[str, str, str], list[Point]] = {}
    for row in _rows("patrols.csv"):
        key = plays[row["force"]], row["camera_id"], row["road"]
        lines.setdefault(key, []).append((float(row["latitude"]), float(row["longitude"])))
    for number, ((force, camera_id, road), points) in enumerate(lines.items(), first_number):
        path = Path(points)
        unit = CameraSite(
            number=number,
            force=force,
            camera_id=camera_id,
            feed=camera_id.lower(),
            name=f"Mobile unit {camera_id[-2:]} on the {road}",
            road=road,
            kind="mobile",
            latitude=points[0][0],
            longitude=points[0][1],
            heading=0,
            lanes=2,
            limit_kph=70 * KPH_PER_MPH,
        )
        yield Patrol(unit, path, rng.uniform(*PATROL_KPH), rng.uniform(0, 2 * path.km))


def _feeds(cameras: tuple[CameraSite, ...]) -> Iterator[Feed]:
    carried: dict[tuple[str, str], list[CameraSite]] = {}
    for site in cameras:
        carried.setdefault((site.force, site.feed), []).append(site)
    for (force, name), sites in carried.items():
        yield Feed(force, name, tuple(sites))
