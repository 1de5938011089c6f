"""Faults of cameras: wrong clocks and broken links, all drawn from the seed."""

from dataclasses import dataclass
from math import inf
from random import Random

from simulators.cameras.world import CameraSite, World

# Faults are drawn anew for each round of a run, so that a run without end keeps having them.
ROUND_SECONDS = 120.0
OFFLINE_FIXED = 5
OFFLINE_MOBILE = 2
WRONG_CLOCKS = 2
SKEWED_SHARE = 0.15
MOST_SKEW_SECONDS = 4.0
# So far ahead that ingest refuses the read also after a long wait in a queue.
WRONG_CLOCK_SECONDS = (2 * 3600, 30 * 3600)


@dataclass(frozen=True, slots=True)
class _Spell:
    begins: float
    ends: float
    ahead_seconds: float = 0.0


class Faults:
    """The faults of one run. Times are wall seconds since the run began."""

    def __init__(self, world: World, seed: int, seconds: float) -> None:
        self._world = world
        self._seed = seed
        self._seconds = seconds
        self._round_seconds = min(ROUND_SECONDS, seconds)
        rng = Random(f"{seed}/skew")
        self._skew = [_skew(rng) for _ in world.cameras]
        self._round = -1
        self._offline: dict[int, _Spell] = {}
        self._wrong_clock: dict[int, _Spell] = {}

    def clock_error(self, camera: CameraSite, at: float) -> float:
        """Seconds by which the camera's clock is ahead of true time (negative: behind)."""
        self._enter(at)
        spell = self._wrong_clock.get(camera.number)
        if spell and spell.begins <= at < spell.ends:
            return spell.ahead_seconds
        return self._skew[camera.number]

    def has_wrong_clock(self, camera: CameraSite, at: float) -> bool:
        """Whether the clock is so far ahead that ingest must refuse the read."""
        return self.clock_error(camera, at) > 600

    def back_online(self, camera: CameraSite, at: float) -> float:
        """When a read that the camera has at that time can be sent: then, or when its link is back."""
        self._enter(at)
        spell = self._offline.get(camera.number)
        return spell.ends if spell and spell.begins <= at < spell.ends else at

    def _enter(self, at: float) -> None:
        current = int(at / self._round_seconds)
        if current == self._round:
            return
        self._round = current
        rng = Random(f"{self._seed}/faults/{current}")
        fixed = [site.number for site in self._world.cameras if site.kind == "fixed"]
        mobile = [site.number for site in self._world.cameras if site.kind == "mobile"]
        offline = rng.sample(fixed, OFFLINE_FIXED) + rng.sample(mobile, OFFLINE_MOBILE)
        self._offline = {number: self._spell(rng, 0.0) for number in offline}
        wrong = [number for number in fixed if number not in offline]
        self._wrong_clock = {
            number: self._spell(rng, rng.uniform(*WRONG_CLOCK_SECONDS))
            for number in rng.sample(wrong, WRONG_CLOCKS)
        }

    def _spell(self, rng: Random, ahead_seconds: float) -> _Spell:
        """A period inside the current round. It ends well before the run does."""
        opens = self._round * self._round_seconds
        length = self._round_seconds * rng.uniform(0.15, 0.4)
        begins = opens + self._round_seconds * rng.uniform(0.05, 0.5)
        latest = self._seconds if self._seconds < inf else begins + length
        return _Spell(begins, min(begins + length, latest), ahead_seconds)


def _skew(rng: Random) -> float:
    return rng.uniform(-MOST_SKEW_SECONDS, MOST_SKEW_SECONDS) if rng.random() < SKEWED_SHARE else 0.0
