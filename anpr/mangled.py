"""Recognises what spreadsheets and data tools make of a text: dates, fractions, exponents, error values.

Only forms that nobody writes on a plate are recognised. `10 MAR`, `10-MAR`, `123456` and `1E05` are plates.
"""

from __future__ import annotations

import re
from typing import Final

_MONTHS: Final = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec"
    "|january|february|march|april|june|july|august|september|october|november|december"
    "|jän|mrz|mär|mai|okt|dez|januar|februar|märz|juni|juli|oktober|dezember"
    "|janv|févr|mars|avr|juin|juil|août|déc"
    "|ene|abr|ago|dic|gen|mag|giu|lug|set|ott|mrt|maa|mei|fev|out"
).translate(str.maketrans("äéû", "aeu"))
"""Months as spreadsheets write them in English, German, French, Spanish, Italian, Dutch and Portuguese."""

_DAY_AND_MONTH: Final = re.compile(
    rf"\d{{1,2}}\.?(?P<gap>[-/ ])(?P<month>{_MONTHS})\.?(?:[-/ ](?P<year>\d\d(?:\d\d)?))?", re.IGNORECASE
)
_MONTH_AND_YEAR: Final = re.compile(
    rf"(?P<month>{_MONTHS})\.?(?P<gap>[-/ ])(?P<year>\d\d(?:\d\d)?)", re.IGNORECASE
)
_CLOCK: Final = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?(?:Z|[+-]\d\d:?\d\d)?"
_DATE: Final = (
    r"(?:\d{4}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.](?:\d\d)?\d\d)"
)

_IN_WORDS: Final = {
    "date": "a spreadsheet or data tool turned this into a date",
    "time": "a spreadsheet or data tool turned this into a time",
    "fraction": "a spreadsheet or data tool turned this into a number with a fraction",
    "exponent": "a spreadsheet or data tool turned this into a number with an exponent",
    "error": "this is an error value of a spreadsheet",
    "narrow": "a spreadsheet wrote this when the column was too narrow",
    "missing": "a data tool wrote this for a missing value",
    "boolean": "a spreadsheet or data tool turned this into true or false",
}
_REMEDY: Final = "; take it from the source again, and keep the column as text"

_FORMS: Final = (
    ("date", rf"{_DATE}(?:[T ]{_CLOCK})?"),
    ("date", r"\d{1,2}/\d{1,2}|\d{1,2}/\d{4}"),
    ("time", _CLOCK),
    ("fraction", r"[+-]?\d*[.,]\d+|\d{1,3}(?:\.\d{3}){2,}|[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?"),
    ("exponent", r"[+-]?\d+(?:[.,]\d*)?[eE]\+\d{1,3}|[+-]?\d[.,]\d+[eE]-?\d{1,3}|\d[eE]-0\d|\d+e-\d\d"),
    ("narrow", r"#{2,}"),
    ("error", r"#[A-Z/]+[0-9]?[!?/A-Z_]*"),
    ("missing", r"nan|NaN|NaT|<NA>|<null>|\(null\)|\[null\]|[+-]?inf|[+-]?Infinity|\\N"),
    ("boolean", r"[Tt]rue|[Ff]alse"),
)
_MANGLED: Final = re.compile(
    "|".join(f"(?P<{kind}_{number}>{form})" for number, (kind, form) in enumerate(_FORMS)), re.DOTALL
)


def cause_of_mangling(written: str) -> str | None:
    """One sentence on what mangled this text, without the text; None when nothing did.

    `written` is folded to Latin letters, with its blanks, dots and dashes.
    """
    kind = _kind(written.strip())
    return None if kind is None else _IN_WORDS[kind] + _REMEDY


def _kind(written: str) -> str | None:
    found = _MANGLED.fullmatch(written)
    if found is not None:
        assert found.lastgroup is not None, "every form is a named group"
        return found.lastgroup.partition("_")[0]
    return "date" if _names_a_month(written) else None


def _names_a_month(written: str) -> bool:
    """Whether this is a day and a month, or a month and a year, as a spreadsheet shows them.

    Capitals are a plate, unless four digits of a year follow a day. So are small letters with a blank: people
    type plates like this.
    """
    found = _DAY_AND_MONTH.fullmatch(written) or _MONTH_AND_YEAR.fullmatch(written)
    if found is None:
        return False
    month: str = found["month"]
    if month.isupper():
        return found.re is _DAY_AND_MONTH and len(found["year"] or "") == 4
    return found["gap"] != " " or month[0].isupper()
