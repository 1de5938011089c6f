"""What a force counts as no plate, and where the positions of a camera's reads are expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_FIXED, CAMERA_KIND_PORTABLE
from gantry.store.v1.forces_pb2 import ForceSettings

from anpr.not_read import USUAL_WORDS, as_word
from anpr.place import box_around
from reads.columns import PLACE_UNKNOWN
from reads.read import E7, e7

Box = tuple[int, int, int, int]
"""South, west, north and east, in 1e-7 degrees."""

NEAR_METRES: Final = 2_000.0
"""How far from its enrolled place a fixed camera may report its reads."""


@dataclass(frozen=True, slots=True)
class ForceRules:
    """The settings of a force, as the check of reads needs them. `area` None: anywhere."""

    not_read_words: frozenset[str] = USUAL_WORDS
    area: Box | None = None


USUAL_RULES: Final = ForceRules()
"""The rules of a force that has no settings."""


def rules_from(settings: ForceSettings) -> ForceRules:
    """The rules that the settings of a force mean."""
    words, area = USUAL_WORDS, None
    if settings.HasField("not_read_words"):
        words = frozenset(map(as_word, settings.not_read_words.words))
    if settings.HasField("area"):
        edges = settings.area
        area = e7(edges.south), e7(edges.west), e7(edges.north), e7(edges.east)
    return ForceRules(words, area)


def expected_box(kind: int, latitude_e7: int, longitude_e7: int, area: Box | None) -> Box | None:
    """Where a camera's positions are expected; None: anywhere, as those of a mobile camera.

    A fixed camera is near its enrolled place and in the area of its force, a portable one in the area.
    """
    if kind not in {CAMERA_KIND_FIXED, CAMERA_KIND_PORTABLE}:
        return None
    if kind == CAMERA_KIND_PORTABLE or latitude_e7 == PLACE_UNKNOWN:
        return area
    south, west, north, east = map(e7, box_around(latitude_e7 / E7, longitude_e7 / E7, NEAR_METRES))
    if area is None:
        return south, west, north, east
    return max(south, area[0]), max(west, area[1]), min(north, area[2]), min(east, area[3])


def is_inside(latitude_e7: int, longitude_e7: int, box: Box) -> bool:
    """Whether a place lies in a box."""
    return box[0] <= latitude_e7 <= box[2] and box[1] <= longitude_e7 <= box[3]
