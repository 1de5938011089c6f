"""Times as people and systems write them. What cannot be read is called what it is."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from tables.cells import bare, is_spreadsheet_error

TIME_FORM: Final = "write it like 2026-11-27T04:00:00Z"
DAY_FORM: Final = "write it like 2026-12-31, or 2026-12-31T06:00:00Z"
NO_DAY: Final = "is no date"
BEFORE_1990: Final = "is before 1990: systems write such a date for none"
JOIN: Final = "when they are two columns of the file, join them: --map captured_at=DATE+TIME"
NO_TIME_OF_DAY: Final = f"is a date without a time of day; {JOIN}"
_LEAST_YEAR, _MOST_YEAR = 1990, 2100
_ZONE: Final = r"(?:\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?"
_LOOSE: Final = re.compile(
    r"(?P<y>\d{4})(?P<s>[-/.:])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})"
    r"(?:[T\s]+(?P<h>\d{1,2}):(?P<mi>\d{2})(?::(?P<sec>\d{2})(?:[.,](?P<frac>\d{1,9}))?)?" + _ZONE + r")?",
    re.IGNORECASE,
)
_COMPACT: Final = re.compile(
    r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})[T\s_-]?(?P<h>\d{2}):?(?P<mi>\d{2})"
    r"(?::?(?P<sec>\d{2})(?:[.,]?(?P<frac>\d{1,9}))?)?" + _ZONE,
    re.IGNORECASE,
)
_DAY_FIRST: Final = re.compile(r"(\d{1,2})[/.\- ](\d{1,2})[/.\- ](\d{4}|\d{2})(?![\d])(.*)", re.DOTALL)
_MONTH_NAME: Final = re.compile(r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b", re.IGNORECASE)
_WORD_ZONE: Final = re.compile(
    r"(?P<time>\d{4}-\d{2}-\d{2}[T\s]\S+)\s*[\[(]?(?P<zone>[A-Z]{2,5}|[A-Z][a-z]+/\w+)[\])]?"
)
_SERIAL: Final = re.compile(r"[2-7]\d{4}(?:[.,]\d+)?")
_EXPONENT: Final = re.compile(r"[+-]?\d+(?:[.,]\d+)?E[+-]?\d+", re.IGNORECASE)
_TIME_ONLY: Final = re.compile(
    r"(?:[01]?\d|2[0-4])[:.]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?(?:\s*[ap]\.?m\.?)?" + _ZONE, re.IGNORECASE
)
_TIME_FIRST: Final = re.compile(r"\d{1,2}:\d\d\S*\s+(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{8})")
_WEEK: Final = re.compile(r"\d{4}-?W\d{2}(?:-?\d)?.*", re.IGNORECASE)
_DAY_OF_YEAR: Final = re.compile(r"\d{4}-?\d{3}")
_MONTH: Final = re.compile(r"\d{4}[-/.](?:0?[1-9]|1[0-2])|(?:0?[1-9]|1[0-2])[-/.]\d{4}")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_DAY_AND_ZONE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:Z|[+-]\d\d:?\d\d)", re.IGNORECASE)
_GROUPED: Final = re.compile(r"\d{1,3}(?:([., '\xa0\u202f])\d{3})(?:\1\d{3})+")
_SERIALS: Final = re.compile(r"[2-7]\d{4}(?:[.,]0+)? (?:0?[.,]\d+|0|1)")
# 12:30, or half past midnight that was 003000 before a spreadsheet saw a number in it.
_LOST_ZEROS: Final = re.compile(r"\d{8} \d{1,5}" + _ZONE, re.IGNORECASE)
# Here no zero has been dropped; but 1230 may stand in the next line.
_FOUR_DIGITS: Final = re.compile(r"\d{8} 0\d{3}" + _ZONE, re.IGNORECASE)
_DOT_NET: Final = re.compile(r"\\?/Date\(.*\)\\?/", re.IGNORECASE)
_SINCE_1970: Final = re.compile(r"[1-4]\d{9}(?:\d{3}){0,3}(?:\.\d+)?")
_ON_NO_CLOCK: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T\s]+(?:24:00(?::00(?:[.,]0+)?)?|\d\d:\d\d:60(?:[.,]\d+)?)" + _ZONE, re.IGNORECASE
)
# A day of the calendar, and behind it something that is no hour, minute and second between colons.
_ODD_CLOCK: Final = re.compile(
    r"\d{4}([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])[T\s_-]+(?!\d{1,2}:\d\d).+", re.IGNORECASE
)
_CLOCK: Final = re.compile(r"\d{1,2}:\d\d")
# Java writes the zone's name in brackets behind an offset that says it all.
_ZONE_NAMED_TOO: Final = re.compile(r"(?<=\d)(Z|[+-]\d\d:?\d\d)\[[\w/+\-]+\]")
_MINUS: Final = "\u2212"
_NOON: Final = re.compile(r"\d\s*[ap]\.?m\.?\b", re.IGNORECASE)
_MOST_OFFSET: Final = timedelta(hours=14)
_LIKELY_SERIALS: Final = range(20_000, 80_000)


class NotATimeError(ValueError):
    """The text is no time that we read. The text of the error says what it is and what to write."""


def date_time(cell: str) -> datetime:
    """A date with a time of day, in its zone, or naive when it names none. NotATimeError says why not."""
    if (moment := _iso_time(cell)) is not None:
        return moment
    text = bare(cell)
    if text != cell and (moment := _iso_time(text)) is not None:
        return moment
    text = _ZONE_NAMED_TOO.sub(r"\1", text.replace(_MINUS, "-"))
    found = _read(text)
    if isinstance(found, datetime):
        return found
    if found is not None or _DAY_AND_ZONE.fullmatch(text):
        raise NotATimeError(NO_TIME_OF_DAY)
    what = what_it_is(text)
    if _TIME_ONLY.fullmatch(text):
        raise NotATimeError(f"{what}; {JOIN}")
    raise NotATimeError(f"{what}; {TIME_FORM}")


def _iso_time(text: str) -> datetime | None:
    """The most frequent form, which the standard library reads fast."""
    if text[4:5] == "-" and text[10:11] in ("T", " ") and len(text) >= 16 and text[5:6] != "W":
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    return None


def day_or_time(cell: str) -> date | datetime:
    """A day, or a date with a time of day. NotATimeError says why not, and what to write."""
    text = bare(cell)
    found = _read(text)
    if found is None:
        meant = _meant(text)
        if meant and max(meant) < f"{_LEAST_YEAR}":
            raise NotATimeError(BEFORE_1990)
        what = _EITHER_WAY if meant and not _NOON.search(text) else what_it_is(text)
        raise NotATimeError(f"{NO_DAY if what == _NO_TIME else what}; {_day_form(text)}")
    return found


def is_compact(digits: str) -> bool:
    """Whether 12, 14 or 17 digits are a date and time, such as 20261127040000."""
    return len(digits) in (12, 14, 17) and isinstance(_read(digits), datetime)


def is_day(digits: str) -> bool:
    """Whether 8 digits are a date, such as 20261127."""
    return len(digits) == 8 and _read(digits) is not None


def in_utc(moment: datetime) -> datetime:
    """A time in UTC; a naive one is taken as UTC. NotATimeError when it is no time that anybody has."""
    if moment.tzinfo is UTC:
        return moment
    offset = moment.utcoffset()
    if offset is not None and abs(offset) > _MOST_OFFSET:
        raise NotATimeError("has an offset from UTC that no place on Earth has: at most 14 hours")
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise NotATimeError("is out of range: years go from 1 to 9999") from None


def serial_date(number: float) -> datetime | None:
    """The time that a spreadsheet means by a number, when it lies in our days; else None."""
    if not _LIKELY_SERIALS.start <= number < _LIKELY_SERIALS.stop:
        return None
    return datetime(1899, 12, 30) + timedelta(days=round(number * 86_400) / 86_400)  # noqa: DTZ001 - it has no zone


def what_it_is(text: str) -> str:
    """What a text is that is no time as we read it."""
    for is_it, what in _CAUSES:
        if is_it(text):
            return what
    return _NO_TIME


def _holds_two_times(text: str) -> bool:
    return len([part for part in text.split() if _CLOCK.match(part)]) > 1


def _has_more_behind(text: str) -> bool:
    match = _LOOSE.match(text)
    return match is not None and match.end() < len(text) and _made(match) is not None


def _is_zeros(text: str) -> bool:
    return text[:8].strip("0-/.") == "" and text.count("0") >= 8


def _is_word_zone(text: str) -> bool:
    return _WORD_ZONE.fullmatch(text) is not None


def _is_no_day_of_any_year(text: str) -> bool:
    return _DAY_FIRST.fullmatch(text) is not None and not _meant(text)


_NO_TIME: Final = "is no time"
_ZEROS: Final = "is a date of zeros, which systems write for no date"
NONE_MEANT: Final = (NO_DAY, BEFORE_1990, _ZEROS)
"""What a text is that may stand for no date at all."""
_NO_CALENDAR: Final = "is no day or hour of the calendar"
_EITHER_WAY: Final = "is a date whose day and month could be mistaken for each other"
_CAUSES: Final = (
    (lambda text: not text, "is empty"),
    (is_spreadsheet_error, "is a spreadsheet's error value (or a column that was too narrow)"),
    (
        _EXPONENT.fullmatch,
        "is a number with an exponent: a spreadsheet has shortened it, so the time is lost",
    ),
    (_SERIAL.fullmatch, "is a number as spreadsheets count days: a spreadsheet turned the date into it"),
    (_WEEK.fullmatch, "is a week of the year"),
    (_TIME_ONLY.fullmatch, "is a time without a date"),
    (_NOON.search, "is a time with AM or PM instead of 24 hours"),
    (_is_word_zone, "has a zone in letters, which can mean several; an offset such as +01:00 cannot"),
    (_DOT_NET.fullmatch, "is a date as .NET writes it in JSON: milliseconds since 1970"),
    (_is_zeros, _ZEROS),
    (_is_no_day_of_any_year, _NO_CALENDAR),
    (_DAY_FIRST.fullmatch, _EITHER_WAY),
    (_MONTH.fullmatch, "is a month without a day"),
    (_YEAR.fullmatch, "is a year without a day"),
    (_GROUPED.fullmatch, "is a number with separators between its digits, which a spreadsheet writes"),
    (
        _SERIALS.fullmatch,
        "is numbers as spreadsheets count days: a spreadsheet turned date and time into them",
    ),
    (_FOUR_DIGITS.fullmatch, "has a time of day of 4 digits instead of 6"),
    (_LOST_ZEROS.fullmatch, "has a time of day of fewer than 6 digits: a spreadsheet has dropped its zeros"),
    (_DAY_AND_ZONE.fullmatch, "is a date with a zone, but without a time of day"),
    (_TIME_FIRST.fullmatch, "has the time before the date; of two columns, name the date first"),
    (_holds_two_times, "holds two times of day: its parts are not one date and one time"),
    (_ON_NO_CLOCK.fullmatch, "is 24:00 or a leap second, which the clocks here do not have"),
    (_ODD_CLOCK.fullmatch, "has a time of day in another form than 04:00:00"),
    (_MONTH_NAME.search, "is a date with the name of a month"),
    (_has_more_behind, "has something behind the date or the time that is no zone such as Z or +01:00"),
    (_LOOSE.match, _NO_CALENDAR),
    (_SINCE_1970.fullmatch, "is a number that counts from 1970"),
    (_COMPACT.match, _NO_CALENDAR),
    (_DAY_OF_YEAR.fullmatch, "is a day of the year"),
)


def _read(text: str) -> date | datetime | None:
    if text[:8].isdecimal() and text.isascii():
        return None if _LOST_ZEROS.fullmatch(text) else _compact(text)
    if (match := _LOOSE.fullmatch(text)) is None:
        return None
    return _made(match)


def _compact(text: str) -> date | datetime | None:
    if len(text) == 8:
        try:
            day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            return None
        return day if _LEAST_YEAR <= day.year <= _MOST_YEAR or day.year == 9999 else None
    # Digits alone may also be a number since 1970: then only years of our days are a date.
    match = _COMPACT.fullmatch(text)
    if match is None or not _LEAST_YEAR <= int(match["y"]) <= _MOST_YEAR:
        return None
    return _made(match)


def _made(match: re.Match[str]) -> date | datetime | None:
    part = match.groupdict()
    try:
        day = date(int(part["y"]), int(part["m"]), int(part["d"]))
        if part["h"] is None:
            return day
        text = (
            f"{day.isoformat()}T{int(part['h']):02}:{part['mi']}:{part['sec'] or '00'}"
            f".{(part['frac'] or '0')[:6].ljust(6, '0')}{_offset(part['zone'])}"
        )
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _offset(zone: str | None) -> str:
    if zone is None:
        return ""
    return "+00:00" if zone.upper() in ("Z", "UTC", "GMT") else zone


def _day_form(text: str) -> str:
    """The form to write; the very date where only few can be meant."""
    meant = _meant(text)
    if not meant:
        return DAY_FORM
    match = _DAY_FIRST.fullmatch(text)
    more = " with a time of day, like 2026-12-31T06:00:00Z" if match is not None and match[4].strip() else ""
    return f"write {' or '.join(meant)}{more}"


def _meant(text: str) -> list[str]:
    """The dates that a date may mean which does not begin with four digits of a year."""
    match = _DAY_FIRST.fullmatch(text)
    if match is None:
        return []
    first, second, last = int(match[1]), int(match[2]), int(match[3])
    year = last if last > 99 else 2000 + last
    meant = [_iso(year, second, first), _iso(year, first, second)]
    if "-" in text[:3] and last < 100:
        meant.append(_iso(2000 + first, second, last))
    return [*dict.fromkeys(filter(None, meant))]


def _iso(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""
