"""Rules for places on the map. Angles are in degrees, WGS 84."""

from __future__ import annotations

import math
from typing import Final

NO_FIX_DEGREES: Final = 0.01
"""How near to latitude 0 and longitude 0 a position means that the receiver had no fix."""

_METRES_A_DEGREE: Final = 111_195.0


def is_no_fix(latitude: float, longitude: float) -> bool:
    """Whether a receiver without a fix reports this: 0,0 or a hair from it, or no number."""
    return not (abs(latitude) >= NO_FIX_DEGREES or abs(longitude) >= NO_FIX_DEGREES)


def box_around(latitude: float, longitude: float, metres: float) -> tuple[float, float, float, float]:
    """South, west, north and east of the square around a point that reaches `metres` to each side."""
    north = metres / _METRES_A_DEGREE
    east = north / max(math.cos(math.radians(latitude)), 0.01)
    return latitude - north, longitude - east, latitude + north, longitude + east
