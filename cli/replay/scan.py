"""The first pass through the file: finds its cameras, and how it counts time."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cli.exits import CliError, Exit
from cli.replay.layout import BrokenLineError, Layout
from cli.replay.lines import FileCutError, LineFile
from cli.replay.messages import force_code, text
from cli.replay.times import (
    EPOCH,
    RELATIVE_BELOW,
    Clock,
    NotATimeError,
    as_number,
    date_us,
    epoch_unit,
    from_us,
    relative_unit,
)

_SECOND: Final = 1_000_000
# Some 200 metres: a fixed camera's reads all come from one place.
_ELSEWHERE_DEGREES: Final = 0.002


@dataclass(slots=True)
class Sighting:
    """A camera in the file: how many reads, where it was first, and whether it was elsewhere too."""

    reads: int = 0
    latitude: float | None = None
    longitude: float | None = None
    moves: bool = False

    def add(self, latitude: Any, longitude: Any) -> None:
        """Count a read from a place; a place that is none is left for the second pass to name."""
        self.reads += 1
        if self.moves or not latitude or not longitude:
            return
        try:
            north, east = float(latitude), float(longitude)
        except (TypeError, ValueError, OverflowError):
            return
        if not (abs(north) <= 90 and abs(east) <= 180):
            return
        if self.latitude is None or self.longitude is None:
            self.latitude, self.longitude = north, east
        elif abs(north - self.latitude) + abs(east - self.longitude) > _ELSEWHERE_DEGREES:
            self.moves = True


@dataclass
class Scan:
    """The contents of a file.

    `units` counts capture times that are numbers by how they seem to count: "relative", or a unit since
    1970; one broken number changes nothing. `smallest` and `largest` are of the relative ones. Dates are in
    microseconds since 1970.
    """

    reads: dict[tuple[str, str], Sighting] = field(default_factory=dict)
    lines: int = 0
    units: dict[str, int] = field(default_factory=dict)
    smallest: float = float("inf")
    largest: float = float("-inf")
    fractions: bool = False
    dates: int = 0
    earliest: int | None = None
    latest: int | None = None
    without_zone: bool = False

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

    def add_time(self, value: Any) -> None:
        """Take a capture time into account; anything that is none is left for the second pass to name."""
        if isinstance(value, str) and (value[4:5] == "-" or value[8:9] == "T"):
            self._add_date(value.strip())
        elif isinstance(value, str | int | float) and (number := as_number(value)) is not None:
            self._add_number(number)

    def _add_number(self, number: float) -> None:
        if not math.isfinite(number):
            return
        unit = "relative" if number < RELATIVE_BELOW else epoch_unit(number)
        self.units[unit] = self.units.get(unit, 0) + 1
        if unit == "relative":
            self.smallest, self.largest = min(self.smallest, number), max(self.largest, number)
            self.fractions = self.fractions or not number.is_integer()

    def _add_date(self, value: str) -> None:
        try:
            moment = date_us(value)
        except NotATimeError:
            return
        if not self.dates:
            self.without_zone = datetime.fromisoformat(value).tzinfo is None
        self.dates += 1
        self.earliest = moment if self.earliest is None else min(self.earliest, moment)
        self.latest = moment if self.latest is None else max(self.latest, moment)


def scan(file: LineFile, layout: Layout, progress: Callable[[int], None]) -> Scan:
    """Look at every line; `progress` gets the bytes read now and then. Broken lines are passed over."""
    found = Scan()
    reads = found.reads
    parse = layout.parser(("force", "camera_id", "captured_at", "lat", "lon"))
    try:
        for number, line in file.numbered():
            if number <= layout.header_lines:
                continue
            found.lines += 1
            if not number % 5000:
                progress(file.bytes_read)
            try:
                force, camera, captured, latitude, longitude = parse(line)
                key = (force_code(force), text(camera, "camera_id"))
            except BrokenLineError:
                continue
            if (sighting := reads.get(key)) is None:
                sighting = reads[key] = Sighting()
            sighting.add(latitude, longitude)
            found.add_time(captured)
    except FileCutError:
        pass  # the second pass sends what there is, and says so
    return found


def choose_clock(
    found: Scan, *, column: str, unit: str | None, start: datetime | None, speed: float | None, now: datetime
) -> tuple[Clock, list[str]]:
    """(how to read the file's times, remark for the person).

    `speed` is None for flat out. CliError when `--start` is given for a file of dates.
    """
    if not found.units:
        if start is not None and found.dates:
            raise CliError(
                "the file's times are dates already: --start is for times relative to a start", Exit.USAGE
            )
        return Clock(), _about_dates(found)
    if found.unit != "relative" and start is not None:
        raise CliError(
            "the file's times count from 1970: --start is for times relative to a start", Exit.USAGE
        )
    if found.unit != "relative":
        chosen = unit or found.unit
        return Clock(chosen), [f"capture times are {chosen} since 1970"]
    chosen = unit or relative_unit(found.largest, fractions=found.fractions, column=column)
    return _relative_clock(found, chosen, start, speed, now)


def _relative_clock(
    found: Scan, unit: str, start: datetime | None, speed: float | None, now: datetime
) -> tuple[Clock, list[str]]:
    reader = Clock(unit).reader()
    first, last = reader(found.smallest), reader(found.largest)
    now_us = round((now - EPOCH).total_seconds() * _SECOND)
    if start is not None:
        begin = round((start - EPOCH).total_seconds() * _SECOND)
        return Clock(unit, begin, relative=True), [f"capture times are {unit} after {_shown(start)}"]
    # Nothing may be captured ahead of the clock: the last read is captured when it is sent.
    lasts = 0 if speed is None else round((last - first) / speed)
    slow = speed is not None and speed <= 1
    begin = now_us - first if slow else now_us + lasts - last
    # Whole seconds, so that what people are told can be given as --start for the very same reads.
    begin -= begin % _SECOND
    why = "so that no read is captured ahead of the clock"
    told = f"capture times are {unit} after a start, taken as {_shown_us(begin)} {why}"
    return Clock(unit, begin, relative=True), [f"{told} (--start sets another)"]


def _about_dates(found: Scan) -> list[str]:
    return ["capture times without a zone are taken as UTC"] if found.without_zone else []


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown_us(moment: int) -> str:
    return _shown(from_us(moment))
