"""Capture times of a file: dates, seconds or milliseconds since a start, or since 1970."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cli.exits import CliError, Exit

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
# Numbers below this are no epoch seconds after 1990, where reads begin; as milliseconds it is seven days.
RELATIVE_BELOW: Final = 630_000_000
_LONGEST_IN_SECONDS: Final = 7 * 86_400
_LATEST: Final = 253_402_300_799 * _SECOND
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


class NotATimeError(ValueError):
    """The text is no time we know."""


@dataclass(frozen=True)
class Clock:
    """How to read a file's times: numbers count `unit` after `start_us`; dates are absolute."""

    unit: str = "seconds"
    start_us: int = 0
    relative: bool = False

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
        factor, start = _MICROSECONDS[self.unit], self.start_us
        exact = int(factor) if factor >= 1 else 0

        def read(value: str | int | float) -> int:
            try:
                if isinstance(value, str):
                    text = value.strip()
                    if text[4:5] == "-" or text[8:9] == "T":
                        return date_us(text)
                    number: int | float = int(text) if text.isdecimal() else float(text)
                else:
                    number = value
                moment = start + (
                    number * exact if exact and isinstance(number, int) else round(number * factor)
                )
            except (ValueError, OverflowError):
                raise NotATimeError from None
            if not -_LATEST < moment < _LATEST:
                raise NotATimeError
            return moment

        return read


def date_us(text: str) -> int:
    """Microseconds since 1970 of an ISO 8601 date and time; without a zone UTC. Else NotATimeError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotATimeError from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // _MICROSECOND


def as_number(value: str | int | float) -> float | None:
    """The value when it is a number rather than a date."""
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def parse_start(text: str, now: datetime) -> datetime:
    """`--start`: an ISO 8601 time, or "now". CliError otherwise."""
    if text.strip().casefold() == "now":
        return now
    try:
        return EPOCH + timedelta(microseconds=date_us(text))
    except (NotATimeError, OverflowError):
        raise CliError(
            f"--start {text}: say a time such as 2025-03-01T08:00:00Z, or now", Exit.USAGE
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
