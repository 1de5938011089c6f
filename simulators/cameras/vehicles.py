"""The vehicles on the road: each is a pure function of the seed and its number, so none has to be kept."""

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Literal

from simulators.cameras.plates import Plate, draw_plate

Kind = Literal["CAR", "LGV", "HGV", "BUS", "MOTORCYCLE"]

_KINDS: tuple[Kind, ...] = ("CAR", "LGV", "HGV", "BUS", "MOTORCYCLE")
_KIND_WEIGHTS = (74, 16, 7.5, 1, 1.5)
# Foreign plates on these roads are mostly lorries to and from the ports.
_FOREIGN_KIND_WEIGHTS = (30, 8, 60, 2, 0)
_MAKES: dict[Kind, tuple[str, ...]] = {
    "CAR": (
        "FORD",
        "VAUXHALL",
        "VOLKSWAGEN",
        "BMW",
        "AUDI",
        "TOYOTA",
        "NISSAN",
        "MERCEDES-BENZ",
        "KIA",
        "HYUNDAI",
    ),
    "LGV": ("FORD", "VAUXHALL", "VOLKSWAGEN", "MERCEDES-BENZ", "PEUGEOT", "CITROEN", "RENAULT"),
    "HGV": ("DAF", "SCANIA", "VOLVO", "MAN", "MERCEDES-BENZ", "IVECO"),
    "BUS": ("ALEXANDER DENNIS", "VOLVO", "SCANIA", "MERCEDES-BENZ"),
    "MOTORCYCLE": ("HONDA", "YAMAHA", "TRIUMPH", "BMW", "KAWASAKI"),
}
# Share of the speed limit that people drive at when nothing holds them up.
AVERAGE_PACE = 0.96
_COLOURS = ("BLACK", "GREY", "WHITE", "BLUE", "SILVER", "RED", "GREEN", "YELLOW")
_COLOUR_WEIGHTS = (21, 26, 19, 15, 8, 8, 2, 1)
_VAN_COLOUR_WEIGHTS = (6, 12, 58, 10, 8, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle with its plate and the details that a camera may recognise."""

    number: int
    plate: Plate
    kind: Kind
    make: str
    colour: str
    pace: float
    """Habit of the driver: the share of the speed limit they drive at on an empty road."""


class Fleet:
    """All the vehicles of a seed, numbered from 0."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.vehicle = lru_cache(maxsize=8_192)(self._draw)

    def _draw(self, number: int) -> Vehicle:
        rng = Random(f"{self._seed}/vehicle/{number}")
        kind, plate = _kind_and_plate(rng)
        colours = _COLOUR_WEIGHTS if kind in ("CAR", "MOTORCYCLE") else _VAN_COLOUR_WEIGHTS
        return Vehicle(
            number=number,
            plate=plate,
            kind=kind,
            make=rng.choice(_MAKES[kind]),
            colour=rng.choices(_COLOURS, colours)[0],
            pace=min(max(rng.gauss(AVERAGE_PACE, 0.08), 0.7), 1.25),
        )


def _kind_and_plate(rng: Random) -> tuple[Kind, Plate]:
    plate = draw_plate(rng)
    weights = _KIND_WEIGHTS if plate.country == "GB" else _FOREIGN_KIND_WEIGHTS
    return rng.choices(_KINDS, weights)[0], plate
