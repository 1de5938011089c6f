"""Reads as cameras send them: the vehicle, the text that the camera read, and the expected answer."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from heapq import heappop, heappush
from itertools import count
from math import inf, sqrt
from random import Random
from typing import Literal, NamedTuple

from simulators.cameras.faults import Faults
from simulators.cameras.images import overview_jpeg, patch_jpeg
from simulators.cameras.journeys import Journeys, Passing
from simulators.cameras.plates import misread
from simulators.cameras.vehicles import Vehicle
from simulators.cameras.world import CameraSite, World

Direction = Literal["approaching", "departing"]

MISREAD_SHARE = 0.03
RESENT_SHARE = 0.01
NOISE_SHARE = 0.002
MISSED_SHARE = 0.03
# Meetings with mobile units and repetitions come on top of what fixed cameras see and do not miss.
READS_PER_PASSING = 1.03
# A short run shows at least so many minutes of traffic, so that vehicles get from one camera to the next.
SHOWN_SECONDS = 1_200.0
# The last moments of a run are for reads that are late.
TAIL_SECONDS = 0.75
_NOISE = (
    ("", "VRM_EMPTY"),
    (" -", "VRM_EMPTY"),
    ("?????", "VRM_NOT_READ"),
    ("ABCDEFGHJKLMNP", "VRM_INVALID"),
)
_ID_ALPHABET = "23456789bcdfghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class SimulatedRead:
    """One read as it is sent, with the truth behind it."""

    force: str
    feed: str
    camera_id: str
    read_id: str
    """Unique per camera within a run, the same when resent; never contains the mark."""
    captured_at: datetime
    """The time of the camera's clock, UTC."""
    vrm_seen: str
    """The text that the camera reports. It is normalised, unless the read is to be rejected for it."""
    vrm_true: str
    confidence: float
    latitude: float
    longitude: float
    heading: int
    speed_kph: float
    lane: int
    """From the nearside, from 1; 0 for a mobile camera."""
    direction: Direction
    country: str
    make: str
    colour: str
    vehicle_class: str
    mobile: bool
    plan: str
    """The expected answer of ingest: "accept", "duplicate" or "reject:" and the rejection reason."""
    send_at: float
    """Wall seconds after the start of the run at which it is due to be sent."""
    patch: bytes | None = None
    overview: bytes | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The parameters of a run: the same values give the same reads, images included."""

    seed: int
    start: datetime
    """When it begins, with a time zone."""
    rate: float
    """Reads a second, about."""
    seconds: float = inf
    warp: float | None = None
    """Simulated seconds per second; None: 1 for long runs, more for short ones.

    With a warp, reads come from the past: `seconds * warp` of traffic is shown in `seconds` and ends now.
    """
    images: bool = True

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("start has no time zone; give one, best UTC")
        if self.rate <= 0 or self.seconds <= TAIL_SECONDS:
            raise ValueError(f"rate must be positive and seconds more than {TAIL_SECONDS}")
        if self.warp is not None and (self.warp < 1 or self.seconds == inf):
            raise ValueError("warp must be at least 1 and needs a run with an end")

    @property
    def pace(self) -> float:
        """The warp in force."""
        if self.seconds == inf:
            return 1.0
        return self.warp or max(1.0, SHOWN_SECONDS / self.seconds)

    @property
    def shown_seconds(self) -> float:
        """Simulated seconds of traffic in the run."""
        return (self.seconds - TAIL_SECONDS) * self.pace

    @property
    def passings_per_second(self) -> float:
        """Simulated passings a simulated second that make up the rate of reads."""
        return self.rate / self.pace / READS_PER_PASSING

    def captured_after(self, at: float) -> float:
        """Seconds from the start to what happens at that simulated time; negative: before the start."""
        return at if self.seconds == inf else at - self.seconds * (self.pace - 1)


class _Sighting(NamedTuple):
    """A read waiting to be sent. Sorts by when that is due."""

    send_at: float
    order: int
    read: SimulatedRead
    vehicle: Vehicle
    camera: CameraSite


def simulate(world: World, run: Run) -> Iterator[SimulatedRead]:
    """The reads of a run in the order in which they are sent. Endless when the run is."""
    cameras = _Cameras(world, run)
    waiting: list[_Sighting] = []
    for passing in Journeys(world, run.seed).passings(run.passings_per_second, run.shown_seconds):
        while waiting and waiting[0].send_at <= passing.at / run.pace:
            yield _pictured(heappop(waiting), run)
        for sighting in cameras.see(passing):
            heappush(waiting, sighting)
    while waiting:
        yield _pictured(heappop(waiting), run)


def _pictured(sighting: _Sighting, run: Run) -> SimulatedRead:
    read = sighting.read
    if not run.images:
        return read
    rear = read.direction == "departing"
    camera, vehicle = sighting.camera, sighting.vehicle
    return replace(
        read,
        patch=patch_jpeg(camera, read.read_id, vehicle.plate, rear),
        overview=overview_jpeg(
            camera, read.read_id, vehicle, rear=rear, lane=max(read.lane, 1), captured_at=read.captured_at
        ),
    )


class _Cameras:
    """Makes the reads of vehicles that pass the cameras."""

    def __init__(self, world: World, run: Run) -> None:
        self._run = run
        self._rng = Random(f"{run.seed}/cameras")
        self._faults = Faults(world, run.seed, run.seconds)
        self._order = count()
        self._counts = [0] * len(world.cameras)
        self._tags = [_tag(run.seed, camera.camera_id) for camera in world.cameras]

    def see(self, passing: Passing) -> Iterator[_Sighting]:
        """The read of a passing, and now and then its repetition; nothing when the camera missed it."""
        if self._rng.random() < MISSED_SHARE:
            return
        read = self._read(passing)
        yield self._sighting(read, passing)
        if read.plan == "accept" and self._rng.random() < RESENT_SHARE:
            again = min(read.send_at + self._rng.uniform(0.5, 6.0), self._run.seconds)
            yield self._sighting(replace(read, plan="duplicate", send_at=again), passing)

    def _sighting(self, read: SimulatedRead, passing: Passing) -> _Sighting:
        return _Sighting(read.send_at, next(self._order), read, passing.vehicle, passing.camera)

    def _read(self, passing: Passing) -> SimulatedRead:
        rng, camera, vehicle = self._rng, passing.camera, passing.vehicle
        due = passing.at / self._run.pace
        vrm_seen, confidence, plan = self._reading(passing, due)
        latitude, longitude = passing.place or (camera.latitude, camera.longitude)
        link_back = self._faults.back_online(camera, due + rng.uniform(0.03, 0.35))
        return SimulatedRead(
            force=camera.force,
            feed=camera.feed,
            camera_id=camera.camera_id,
            read_id=self._read_id(camera),
            captured_at=self._clock(passing, due),
            vrm_seen=vrm_seen,
            vrm_true=vehicle.plate.vrm,
            confidence=confidence,
            latitude=latitude,
            longitude=longitude,
            heading=passing.heading,
            speed_kph=round(passing.speed_kph, 1),
            lane=_lane(camera, vehicle, rng),
            direction=_direction(camera, rng),
            country=vehicle.plate.country,
            make=vehicle.make,
            colour=vehicle.colour,
            vehicle_class=vehicle.kind,
            mobile=camera.kind == "mobile",
            plan=plan,
            send_at=min(link_back, self._run.seconds),
        )

    def _reading(self, passing: Passing, due: float) -> tuple[str, float, str]:
        """The text a camera makes of the plate, its confidence, and what ingest must say to it."""
        rng, mark = self._rng, passing.vehicle.plate.vrm
        if self._faults.has_wrong_clock(passing.camera, due):
            return mark, _sure(rng), "reject:TIME_IN_FUTURE"
        luck = rng.random()
        if luck < NOISE_SHARE:
            text, reason = rng.choice(_NOISE)
            return text, round(rng.uniform(0.05, 0.3), 3), f"reject:{reason}"
        if luck < NOISE_SHARE + MISREAD_SHARE:
            return misread(mark, rng), round(rng.uniform(0.42, 0.8), 3), "accept"
        return mark, _sure(rng), "accept"

    def _clock(self, passing: Passing, due: float) -> datetime:
        seconds = self._run.captured_after(passing.at) + self._faults.clock_error(passing.camera, due)
        return self._run.start + timedelta(milliseconds=round(seconds * 1000))

    def _read_id(self, camera: CameraSite) -> str:
        self._counts[camera.number] += 1
        return f"{self._tags[camera.number]}-{self._counts[camera.number]:06d}"


def _sure(rng: Random) -> float:
    return round(0.996 - 0.16 * rng.random() * sqrt(rng.random()), 3)


def _lane(camera: CameraSite, vehicle: Vehicle, rng: Random) -> int:
    if camera.kind == "mobile":
        return 0
    if vehicle.kind == "HGV":
        return 1 if camera.lanes < 3 else rng.choice((1, 1, 1, 2))
    return rng.randint(1, camera.lanes)


def _direction(camera: CameraSite, rng: Random) -> Direction:
    """Every third fixed camera looks after the traffic; a mobile unit sees both ends."""
    departing = camera.number % 3 == 0 if camera.kind == "fixed" else rng.random() < 0.5
    return "departing" if departing else "approaching"


def _tag(seed: int, camera_id: str) -> str:
    digest = blake2b(f"{seed}/{camera_id}".encode(), digest_size=5).digest()
    return "".join(_ID_ALPHABET[byte % len(_ID_ALPHABET)] for byte in digest)
