"""Capture times of a file: dates with a time of day, seconds or milliseconds since a start, or since 1970."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cli.exits import CliError, Exit
from tables.cells import bare
from tables.moments import NO_TIME_OF_DAY, NotATimeError, date_time, in_utc, is_compact, is_day, serial_date

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000
# Numbers below this are no epoch seconds after 1990, where reads begin; as milliseconds it is seven days.
RELATIVE_BELOW: Final = 630_000_000
_LONGEST_IN_SECONDS: Final = 7 * 86_400
_LATEST: Final = 253_402_300_799 * _SECOND
# Numbers since 1970 that lie outside count in another unit, or from another start. 1990 and 2100.
_LEAST_NUMBER, _MOST_NUMBER = 631_152_000 * _SECOND, 4_102_444_800 * _SECOND
_OTHER_STARTS: Final = (
    (range(12 * 10**16, 15 * 10**16), "counts from 1601 in steps of 100 ns, as Windows does (FILETIME)"),
    (range(62 * 10**16, 66 * 10**16), "counts from the year 1 in steps of 100 ns, as .NET does (ticks)"),
)
_EPOCH_UNITS: Final = (
    (1e17, "nanoseconds"),
    (1e14, "microseconds"),
    (1e11, "milliseconds"),
    (0.0, "seconds"),
)
_MICROSECONDS: Final = {
    "seconds": 1_000_000.0,
    "milliseconds": 1000.0,
    "microseconds": 1.0,
    "nanoseconds": 0.001,
}
_MOST_DIGITS: Final = 40
_NUMERIC: Final = frozenset("0123456789.+-")


@dataclass(frozen=True)
class Clock:
    """How to read a file's times: numbers count `unit` after `start_us`; dates are absolute.

    `zone` is that of times that name none. `zone_needed`: other lines of the file have a zone, so that a time
    without one is refused. `assumed_utc`: the file names no zone, and UTC is only assumed.
    """

    unit: str = "seconds"
    start_us: int = 0
    relative: bool = False
    zone: tzinfo | None = None
    zone_needed: bool = False
    assumed_utc: bool = False

    @property
    def again(self) -> str:
        """The options with which the same file gives the same reads, which then count as duplicates."""
        if not self.relative:
            return "replay the file again"
        return (
            f"replay the file again with --start {from_us(self.start_us).isoformat().replace('+00:00', 'Z')}"
        )

    def reader(self) -> Callable[[str | int | float], int]:
        """A function from a file's value to microseconds since 1970; it raises NotATimeError."""
        factor, start, relative = _MICROSECONDS[self.unit], self.start_us, self.relative
        exact = int(factor) if factor >= 1 else 0

        def read(value: str | int | float) -> int:
            number = as_number(value)
            if number is None:
                return self._date_us(str(value))
            if not relative and number < RELATIVE_BELOW:
                raise NotATimeError(_small_number(number, str(value).strip()))
            if not relative:
                _refuse_other_starts(number)
            try:
                moment = start + (
                    number * exact if exact and isinstance(number, int) else round(number * factor)
                )
            except (ValueError, OverflowError):
                raise NotATimeError("is a number out of range") from None
            if not relative and not _LEAST_NUMBER <= moment < _MOST_NUMBER:
                raise NotATimeError(f"is a number out of range, when it counts {self.unit} since 1970")
            if not -_LATEST < moment < _LATEST:
                raise NotATimeError("is a number out of range")
            return moment

        return read

    def _date_us(self, text: str) -> int:
        moment = date_time(text)
        if moment.tzinfo is None:
            if self.zone is not None:
                moment = _local(moment, self.zone)
            elif self.zone_needed:
                raise NotATimeError(
                    "has no time zone, though other lines of the file have one; write Z or +01:00 after it, "
                    "or say --zone"
                )
        return us_of(moment)


def _local(naive: datetime, zone: tzinfo) -> datetime:
    """A time of a zone. NotATimeError when the zone's clocks skip it, or show it twice."""
    moment = naive.replace(tzinfo=zone)
    if moment.utcoffset() == moment.replace(fold=1).utcoffset():
        return moment
    if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != naive:
        raise NotATimeError(
            f"does not exist in {zone}, because the clocks go forward over it; if it is UTC, write Z after it"
        )
    raise NotATimeError(
        f"occurs twice in {zone}, because the clocks go back: write its offset after it, such as "
        f"{_offset(moment)} or {_offset(moment.replace(fold=1))}"
    )


def _offset(moment: datetime) -> str:
    return moment.isoformat()[-6:]


def _refuse_other_starts(number: int | float) -> None:
    for numbers, what in _OTHER_STARTS:
        if numbers.start <= number < numbers.stop:
            raise NotATimeError(f"is a number that {what}; write it like 2026-11-27T04:00:00Z")


def us_of(moment: datetime) -> int:
    """Microseconds since 1970 of a time; without a zone UTC. NotATimeError when it is out of range."""
    since = in_utc(moment) - EPOCH
    return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds


def as_number(value: str | int | float) -> int | float | None:
    """The value when it is a number rather than a date. Compact dates are dates; exponents are no numbers."""
    if not isinstance(value, str):
        text = str(value) if isinstance(value, int) else ""
        return None if len(text) in (12, 14, 17) and is_compact(text) else value
    # A T as in 2026-11-27T04:00:00Z is the most frequent form, and no number has one.
    text = "" if value[10:11] == "T" else bare(value)
    if text.isdecimal():
        if len(text) > _MOST_DIGITS:
            return float("inf")
        return None if len(text) in (12, 14, 17) and is_compact(text) else int(text)
    if not text or not _NUMERIC.issuperset(text):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def parse_start(text: str) -> datetime:
    """`--start`: an ISO 8601 time. CliError otherwise."""
    try:
        return EPOCH + timedelta(microseconds=us_of(date_time(text)))
    except (NotATimeError, OverflowError):
        raise CliError(
            f"--start {text}: say a time such as 2025-03-01T08:00:00Z, or now", Exit.USAGE
        ) from None


def parse_zone(text: str) -> tzinfo:
    """`--zone`: an offset such as +01:00, or a name such as Europe/London. CliError otherwise."""
    try:
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{text}").tzinfo
        if zone is not None:
            return zone
    except ValueError:
        pass
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CliError(
            f"--zone {text}: say an offset such as +01:00, or a name such as Europe/London", Exit.USAGE
        ) from None


def from_us(moment: int) -> datetime:
    """The time of so many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=moment)


def epoch_unit(largest: float) -> str:
    """The unit in which so large a number counts from 1970."""
    return next(unit for least, unit in _EPOCH_UNITS if largest >= least)


def relative_unit(largest: float, *, fractions: bool, column: str) -> str:
    """Seconds or milliseconds, judged by the column's name, then by fractions, then by size."""
    name = column.casefold()
    if name.endswith(("_ms", "millis", "milliseconds")) or name == "ms":
        return "milliseconds"
    if name.endswith(("_s", "_sec", "secs", "seconds")) or fractions:
        return "seconds"
    # The buffer is seven days: as seconds, larger numbers would reach past it.
    return "milliseconds" if largest > _LONGEST_IN_SECONDS else "seconds"


def _small_number(number: float, text: str) -> str:
    if is_day(text):
        return NO_TIME_OF_DAY
    if serial_date(number) is not None:
        return (
            "is a number as spreadsheets count days: a spreadsheet turned the time into it; "
            "format the column as text like 2026-11-27T04:00:00Z and save the sheet again"
        )
    return "is a number and no time: numbers count from 1970 here, or need --start in a file without dates"
