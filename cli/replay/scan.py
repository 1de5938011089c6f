"""The first pass through the file: finds its cameras, and how it counts time."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cli.replay.messages import camera_id, force_code, is_mangled_id, number
from cli.replay.source import ReadFile
from cli.replay.times import (
    RELATIVE_BELOW,
    as_number,
    epoch_unit,
    us_of,
)
from tables.cells import bare
from tables.faults import RowError
from tables.moments import NotATimeError, date_time, is_day

_SECOND: Final = 1_000_000
# Some 200 metres: a fixed camera's reads all come from one place.
_ELSEWHERE_DEGREES: Final = 0.002
# A receiver without a fix says 0,0.
_NO_FIX_DEGREES: Final = 0.01
_AHEAD_US: Final = 300 * _SECOND
_ROWS_BETWEEN_LOOKS: Final = 2000


@dataclass(slots=True)
class Sighting:
    """A camera in the file: how many reads, where it was first, and whether it was elsewhere too."""

    reads: int = 0
    latitude: float | None = None
    longitude: float | None = None
    moves: bool = False
    last: tuple[Any, Any] | None = None
    """The place of the last read as the file has it."""

    def add(self, latitude: Any, longitude: Any) -> None:
        """Count a read from a place; a place that is none is left for the second pass to name."""
        self.reads += 1
        if self.moves or not latitude or not longitude or (latitude, longitude) == self.last:
            return
        self.last = latitude, longitude
        try:
            north, east = number(latitude, "lat"), number(longitude, "lon")
        except RowError:
            return
        if north is None or east is None or not (abs(north) <= 90 and abs(east) <= 180):
            return
        if abs(north) < _NO_FIX_DEGREES and abs(east) < _NO_FIX_DEGREES:
            return
        if self.latitude is None or self.longitude is None:
            self.latitude, self.longitude = north, east
        elif self._is_elsewhere(north, east) and self._is_elsewhere(east, north):
            # A place whose numbers are swapped is a mistake of the file and no journey.
            self.moves = True

    def _is_elsewhere(self, north: float, east: float) -> bool:
        assert self.latitude is not None, "a place was seen before"
        assert self.longitude is not None, "a place was seen before"
        return abs(north - self.latitude) + abs(east - self.longitude) > _ELSEWHERE_DEGREES


@dataclass
class Scan:
    """The contents of a file.

    `naive`: dates without a zone. `units` counts capture times that are numbers by how they seem to count:
    "relative", or a unit since 1970; one broken number changes nothing. `smallest` and `largest` are of the
    relative ones, `days` those that may be dates without a time; `since_1970` has the same of the others, by
    unit. Times are in microseconds since 1970. `fault` is what is wrong with the first line whose force or
    camera cannot be told.
    """

    reads: dict[tuple[str, str], Sighting] = field(default_factory=dict)
    lines: int = 0
    units: dict[str, int] = field(default_factory=dict)
    smallest: float = float("inf")
    largest: float = float("-inf")
    fractions: bool = False
    dates: int = 0
    naive: int = 0
    latest_naive: int | None = None
    days: int = 0
    since_1970: dict[str, tuple[float, float]] = field(default_factory=dict)
    shares: int = 0
    percents: int = 0
    mangled_ids: int = 0
    fault: str = ""

    @property
    def forces(self) -> list[str]:
        """The forces it names."""
        return sorted({force for force, _ in self.reads})

    def cameras(self, force: str) -> list[str]:
        """The cameras it names for a force."""
        return sorted(camera for owner, camera in self.reads if owner == force)

    @property
    def unit(self) -> str:
        """How most of its numbers count; empty when it has none."""
        return max(self.units, key=lambda unit: self.units[unit], default="")

    @property
    def percent(self) -> bool:
        """Whether its confidences are per cent: whole numbers, of which some are above 1, and no shares."""
        return self.percents > 0 and self.shares == 0

    def add_confidence(self, value: Any) -> None:
        """Take a confidence into account; one with a percent sign says itself what it is."""
        try:
            found = number(value, "confidence")
        except RowError:
            return
        if found is None or not 0 < found <= 100 or found == 1:
            return
        if found > 1:
            self.percents += 1
        else:
            self.shares += 1

    def add_time(self, value: Any) -> None:
        """Take a capture time into account; anything that is none is left for the second pass to name."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return
        if (found := as_number(value)) is not None:
            self._add_number(found)
            self.days += is_day(bare(str(value)))
        else:
            self._add_date(str(value))

    def _add_number(self, found: float) -> None:
        if not math.isfinite(found):
            return
        unit = "relative" if found < RELATIVE_BELOW else epoch_unit(found)
        self.units[unit] = self.units.get(unit, 0) + 1
        if unit == "relative":
            self.smallest, self.largest = min(self.smallest, found), max(self.largest, found)
            self.fractions = self.fractions or not float(found).is_integer()
        else:
            least, most = self.since_1970.get(unit, (found, found))
            self.since_1970[unit] = min(least, found), max(most, found)

    def _add_date(self, value: str) -> None:
        try:
            moment = date_time(value)
            us = us_of(moment)
        except NotATimeError:
            return
        self.dates += 1
        if moment.tzinfo is None:
            self.naive += 1
            self.latest_naive = us if self.latest_naive is None else max(self.latest_naive, us)


def scan(file: ReadFile, progress: Callable[[int], None], forces: Mapping[str, str] | None = None) -> Scan:
    """Look at every row; `progress` gets the bytes read now and then. Broken lines are passed over."""
    found, codes = Scan(), forces or {}
    reads = found.reads
    for count, (line, _, values) in enumerate(file.rows(), 1):
        if not count % _ROWS_BETWEEN_LOOKS:
            progress(file.bytes_read)
        found.lines += 1
        if isinstance(values, RowError):
            found.fault = found.fault or _fault(line, values)
            continue
        force, camera, captured, _, read_id, confidence, latitude, longitude, _ = values
        try:
            code = force_code(force)
            key = (codes.get(code, code), camera_id(camera))
        except RowError as fault:
            found.fault = found.fault or _fault(line, fault)
            continue
        if (sighting := reads.get(key)) is None:
            sighting = reads[key] = Sighting()
        sighting.add(latitude, longitude)
        found.add_time(captured)
        if confidence:
            found.add_confidence(confidence)
        if isinstance(read_id, str) and is_mangled_id(read_id):
            found.mangled_ids += 1
    return found


def _fault(line: int, fault: RowError) -> str:
    return f"line {line:,}{f', {fault.column}' if fault.column else ''}: {fault.message}"
