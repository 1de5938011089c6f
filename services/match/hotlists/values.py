"""The values of a hotlist's line, checked: each function gives what is stored, or says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from anpr.not_read import VrmNotRead
from anpr.plate import plain_vrms, understand
from anpr.several import MORE_THAN_A_PLATE, WORDS_ALONE, are_words, holds_more_than_a_plate
from anpr.vrm import VrmEmpty, VrmInvalid, VrmMangled
from tables.cells import bare, is_absent, is_spreadsheet_error, unguarded
from tables.faults import RowError
from tables.moments import BEFORE_1990, NONE_MEANT, NotATimeError, day_or_time, in_utc

MOST_TEXT: Final = 500
MOST_WORD: Final = 40
NEVER: Final = "infinity"
_LONGEST_USUAL: Final = 7
_MOST_MARKERS: Final = 20
_DEFAULT_PRIORITY: Final = "5"
_PRIORITIES: Final = frozenset("123456789")
# Data tools write a column of whole numbers like this when one of its cells is empty.
_WHOLE: Final = re.compile(r"0?([1-9])(?:[.,]0+)?")
_DAY: Final = timedelta(days=1)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FOR_EVER: Final = frozenset(("never", "infinity", "indefinite", "unlimited", "permanent", "no expiry"))
_LEAST_YEAR: Final = 1990
_OR_EMPTY: Final = "leave the cell empty when the entry does not end"
_BETWEEN_MARKERS: Final = re.compile(r"[;,|\r\n]")
# Databases and data tools write a list with brackets around it, and quotes around its parts.
_ARRAY: Final = re.compile(r"\[(.*)\]|\{(.*)\}", re.DOTALL)


def plate(cell: str) -> tuple[str, str]:
    """(VRM, country that was written beside it or "")."""
    written = cell if cell[:1].isalnum() and cell[-1:].isalnum() else bare(cell)
    try:
        found = understand(written)
    except VrmEmpty:
        raise RowError("the plate is empty", "vrm") from None
    except (VrmInvalid, VrmNotRead) as fault:
        more = not isinstance(fault, VrmMangled) and holds_more_than_a_plate(written)
        raise RowError(MORE_THAN_A_PLATE if more else str(fault), "vrm") from None
    if not found.country and found.vrm != written and holds_more_than_a_plate(written):
        raise RowError(MORE_THAN_A_PLATE, "vrm")
    if are_words(found.vrm, written):
        raise RowError(WORDS_ALONE, "vrm")
    return found.vrm, found.country


def plates(cells: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """`plate` of many cells: VRMs and countries."""
    vrms = plain_vrms(cells)
    if vrms is not None and not (
        max(map(len, vrms), default=0) > _LONGEST_USUAL and any(map(are_words, vrms, cells))
    ):
        return vrms, [""] * len(vrms)
    found = [*map(plate, cells)]
    return [vrm for vrm, _ in found], [country for _, country in found]


def texts(check: Callable[[str], str], cells: Sequence[str], most: int = MOST_TEXT) -> Sequence[str]:
    """`check`, a function like `text`, of many cells. Plain texts are checked together."""
    distinct = {*cells}
    if "" in distinct:
        check("")
        distinct.discard("")
    return cells if not distinct or _are_plain(distinct, most) else each_once(check, cells)


def each_once(check: Callable[[str], str], cells: Sequence[str]) -> Sequence[str]:
    """`check` of many cells, called once for equal ones."""
    checked = {cell: check(cell) for cell in {*cells}}
    return [checked[cell] for cell in cells]


def _are_plain(cells: Set[str], most: int) -> bool:
    """Whether `text` keeps each cell as it is: without guards, blanks around it, control characters."""
    if max(map(len, cells)) > most or any(map(is_absent, cells)):
        return False
    joined = "\n".join(cells)
    if not joined.replace("\n", "").isprintable() or joined.count("\n") != len(cells) - 1:
        return False
    # Of the printable characters, only this blank is taken off the ends.
    joined = f"\n{joined}\n"
    return not any(odd in joined for odd in ("\n ", " \n", "\n=", "\n#"))


def text(column: str, cell: str, most: int = MOST_TEXT) -> str:
    """A free text on one line."""
    if not cell:
        return ""
    found = cell if cell.isprintable() else " ".join(cell.split())
    if not found.isprintable() and _CONTROL.search(found):
        raise RowError("it contains control characters", column)
    found = unguarded(found)
    if is_absent(found):
        return ""
    if found[:1] == "#" and is_spreadsheet_error(found):
        raise RowError("it is an error value of a spreadsheet; repair the sheet and save it again", column)
    if len(found) > most:
        raise RowError(f"it has more than {most} characters", column)
    return found


def reason(cell: str) -> str:
    """Why the vehicle is of interest."""
    found = text("reason", cell)
    if not found:
        raise RowError("the reason is empty" if not cell.strip() else "it is a word for no value", "reason")
    return found


def instruction(cell: str) -> str:
    """What to do, for the officer."""
    return text("instruction", cell)


def priority(cell: str) -> str:
    """1 to 9."""
    if cell in _PRIORITIES:
        return cell
    found = bare(cell)
    if not found or is_absent(found):
        return _DEFAULT_PRIORITY
    if (whole := _WHOLE.fullmatch(found)) is None:
        raise RowError("it is not a whole number from 1 (highest) to 9 (lowest)", "priority")
    return whole[1]


@lru_cache(maxsize=4096)
def markers(cell: str) -> str:
    """Markers, separated by semicolons."""
    array = _ARRAY.fullmatch(cell.strip())
    inside = cell if array is None else array[1] or array[2] or ""
    parts = [text("markers", part, 2000) for part in _BETWEEN_MARKERS.split(inside)]
    found = [marker for part in parts if (marker := part if array is None else bare(part))]
    if len(found) > _MOST_MARKERS or any(len(marker) > MOST_WORD for marker in found):
        raise RowError(
            f"it has more than {_MOST_MARKERS} markers, or one of more than {MOST_WORD} characters; "
            "put a semicolon between two",
            "markers",
        )
    return ";".join(dict.fromkeys(found))


def vehicle(make: str, model: str, colour: str, country: str) -> tuple[str, str, str, str]:
    """The vehicle as the list describes it."""
    return word("make", make), word("model", model), word("colour", colour), word("country", country)


@lru_cache(maxsize=4096)
def word(column: str, cell: str) -> str:
    """One of the words that describe a vehicle."""
    return text(column, cell, MOST_WORD)


@lru_cache(maxsize=4096)
def weed_date(cell: str) -> tuple[str, datetime | None]:
    """(the moment as PostgreSQL reads it, and as we do; None when the entry does not end)."""
    if not (told := bare(cell)) or is_absent(told) or told.casefold() in _FOR_EVER:
        return NEVER, None
    try:
        found = day_or_time(cell)
        if isinstance(found, datetime):
            end = in_utc(found)
        elif found == date.max:
            # A date means its end. The last day of the calendar has none.
            return NEVER, None
        else:
            end = datetime.combine(found + _DAY, time(), UTC)
    except NotATimeError as fault:
        told = str(fault)
        or_empty = f"; {_OR_EMPTY}" if told.startswith(NONE_MEANT) else ""
        raise RowError(f"it {told}{or_empty}", "weed_date") from None
    if end.year < _LEAST_YEAR:
        raise RowError(f"it {BEFORE_1990}; {_OR_EMPTY}", "weed_date")
    return end.isoformat(), end
