"""Distances and positions along roads, good to a few metres over tens of kilometres in England."""

from collections.abc import Sequence
from itertools import pairwise
from math import atan2, cos, degrees, hypot, radians

KM_PER_DEGREE = 111.2

Point = tuple[float, float]


def distance_km(start: Point, end: Point) -> float:
    """Straight distance in kilometres between two (latitude, longitude) points in degrees."""
    north, east = _offset_km(start, end)
    return hypot(north, east)


def course(start: Point, end: Point) -> int:
    """Course from start to end in whole degrees clockwise from north, 0 to 359."""
    north, east = _offset_km(start, end)
    return round(degrees(atan2(east, north))) % 360


def _offset_km(start: Point, end: Point) -> Point:
    north = (end[0] - start[0]) * KM_PER_DEGREE
    east = (end[1] - start[1]) * KM_PER_DEGREE * cos(radians((start[0] + end[0]) / 2))
    return north, east


class Path:
    """A road as a line of (latitude, longitude) points; a place on it is a distance from its start."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = tuple(points)
        marks = [0.0]
        for start, end in pairwise(self._points):
            marks.append(marks[-1] + distance_km(start, end))
        self._marks = tuple(marks)

    @property
    def km(self) -> float:
        """Length in kilometres."""
        return self._marks[-1]

    def at(self, km: float) -> Point:
        """The point so many kilometres from the start; beyond the ends, the end."""
        leg = self._leg(km)
        along = (km - self._marks[leg]) / (self._marks[leg + 1] - self._marks[leg])
        along = min(max(along, 0.0), 1.0)
        start, end = self._points[leg], self._points[leg + 1]
        return start[0] + (end[0] - start[0]) * along, start[1] + (end[1] - start[1]) * along

    def course_at(self, km: float) -> int:
        """Course of the road there, away from its start, in degrees clockwise from north."""
        leg = self._leg(km)
        return course(self._points[leg], self._points[leg + 1])

    def nearest(self, point: Point) -> float:
        """Kilometres from the start of the place on the path that is nearest to a point."""
        return min(self._foot(leg, point) for leg in range(len(self._points) - 1))[1]

    def _foot(self, leg: int, point: Point) -> tuple[float, float]:
        """How far the point lies from a leg, and where on the path the nearest place of that leg is."""
        north, east = _offset_km(self._points[leg], self._points[leg + 1])
        point_north, point_east = _offset_km(self._points[leg], point)
        length = hypot(north, east)
        along = min(max((north * point_north + east * point_east) / length, 0.0), length)
        aside = hypot(point_north - north * along / length, point_east - east * along / length)
        return aside, self._marks[leg] + along

    def _leg(self, km: float) -> int:
        last = len(self._points) - 2
        return next((leg for leg in range(last) if km < self._marks[leg + 1]), last)
