"""Chooses how a file's times are read, after the first pass, and says what was chosen."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Final

from cli.exits import CliError, Exit
from cli.output import counted
from cli.replay.scan import Scan
from cli.replay.times import EPOCH, Clock, from_us, relative_unit
from tables.moments import NotATimeError, serial_date

_SECOND: Final = 1_000_000
_AHEAD_US: Final = 300 * _SECOND


@dataclass(frozen=True)
class Wish:
    """What the person says about times: `start` of relative ones, or that they begin `now`; unit; zone."""

    start: datetime | None = None
    now: bool = False
    unit: str | None = None
    zone: tzinfo | None = None


def choose_clock(
    found: Scan, wish: Wish, *, column: str, speed: float | None, now: datetime
) -> tuple[Clock, list[str]]:
    """(how to read the file's times, remarks for the person).

    `speed` is None for flat out. CliError when `--start` is given for a file of dates, or is missing for a
    file of times that count from a start: no read gets another time than its own unless a person says so.
    """
    started = wish.now or wish.start is not None
    naive = _naive_clock(found, wish)
    if found.dates >= sum(found.units.values()):
        if started and found.dates:
            raise CliError(
                "the file's times are dates already: --start is for times relative to a start", Exit.USAGE
            )
        return naive, _about_zones(found, wish, now)
    if found.unit != "relative" and started:
        raise CliError(
            "the file's times count from 1970: --start is for times relative to a start", Exit.USAGE
        )
    if found.unit != "relative":
        chosen = wish.unit or found.unit
        return replace(naive, unit=chosen), [_since_1970(chosen, *found.since_1970[found.unit])]
    if not started:
        raise CliError(_start_needed(found, column), Exit.USAGE)
    chosen = wish.unit or relative_unit(found.largest, fractions=found.fractions, column=column)
    return _relative_clock(found, chosen, wish.start, speed, now)


def _since_1970(unit: str, least: float, most: float) -> str:
    """The unit, and what the numbers then mean: a wrong unit or start shows in the years."""
    read, told = Clock(unit).reader(), []
    for number in dict.fromkeys((least, most)):
        with suppress(NotATimeError):
            told.append(_shown_us(read(number)))
    return f"capture times are {unit} since 1970: {' to '.join(told) or 'out of range'}"


def _start_needed(found: Scan, column: str) -> str:
    if found.days == found.units["relative"]:
        return (
            f"the column {column} has dates without a time of day; when the time is in another column, "
            "join the two: --map captured_at=DATE+TIME"
        )
    if (first := serial_date(found.smallest)) and serial_date(found.largest):
        return (
            f"the column {column} has numbers as spreadsheets count days: a spreadsheet turned the times "
            f"into them ({found.smallest:.10g} is {first:%Y-%m-%d %H:%M}); format the column as text like "
            "2026-11-27T04:00:00Z and save the sheet again; if they are seconds after a start, say --start"
        )
    return (
        f"the column {column} has numbers ({found.smallest:.10g} to {found.largest:.10g}), which count "
        "from a start that the file does not name: say when they begin with --start TIME; --start now "
        "gives them times of now, for a test"
    )


def _naive_clock(found: Scan, wish: Wish) -> Clock:
    mixed = 0 < found.naive < found.dates
    return Clock(
        zone=wish.zone, zone_needed=mixed, assumed_utc=found.naive > 0 and not mixed and wish.zone is None
    )


def _relative_clock(
    found: Scan, unit: str, start: datetime | None, speed: float | None, now: datetime
) -> tuple[Clock, list[str]]:
    reader = Clock(unit, relative=True).reader()
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
    return Clock(unit, begin, relative=True), [told]


def _about_zones(found: Scan, wish: Wish, now: datetime) -> list[str]:
    if not found.naive:
        return []
    if wish.zone is not None:
        return [f"capture times without a zone are taken as {wish.zone}"]
    if found.naive < found.dates:
        told = f"{counted(found.naive, 'capture time')} of {found.dates:,} without a zone"
        return [f"{told}: these lines are refused; write Z or +01:00 after them, or say --zone"]
    told = "capture times without a zone are taken as UTC"
    if found.latest_naive is not None and from_us(found.latest_naive - _AHEAD_US) > now:
        told += (
            "; some are then ahead of the clock: if they are local time, say --zone, such as "
            "--zone Europe/London"
        )
    return [told]


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown_us(moment: int) -> str:
    return _shown(from_us(moment))
