"""Cells as people mean them: without guards against spreadsheets, quotes around them, unseen blanks."""

from __future__ import annotations

import re
from typing import Final

from tables.faults import RowError
from tables.furniture import BLANKS

_QUOTES: Final = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\xab\xbb\xb4"
_GUARD: Final = re.compile(r'=\s*"((?:[^"]|"")*)"')
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d{1,3},\d+")
_ABSENT: Final = frozenset(
    ("null", "(null)", "<null>", "[null]", "\\n", "nan", "nat", "<na>", "n/a", "none", "nil", "-", "--")
)
_MINUS: Final = "\u2212"
_DEGREES: Final = "write degrees with a point, such as 51.7342, south and west negative"
_ADVICE: Final = {
    "lat": _DEGREES,
    "lon": _DEGREES,
    "heading": "write degrees, where north is 0 and east is 90",
    "confidence": "write a share such as 0.97, or 97%",
}
_ERRORS: Final = frozenset(
    ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#FIELD!")
)


def unguarded(cell: str) -> str:
    """A cell without ="..." around it, by which a system keeps a spreadsheet from changing it."""
    cell = cell.strip(BLANKS)
    if cell.startswith("=") and (guard := _GUARD.fullmatch(cell)):
        return guard[1].replace('""', '"').strip(BLANKS)
    return cell


def bare(cell: str) -> str:
    """A cell that is no free text (a plate, a time, a number), without guards, quotes and unseen blanks."""
    cell = cell.strip(BLANKS)
    if cell[:1] in _SPECIAL or cell[-1:] in _SPECIAL:
        cell = unguarded(cell)
        if cell[:1] in _QUOTES:
            cell = cell[1:].strip(BLANKS)
        if cell[-1:] in _QUOTES:
            cell = cell[:-1].strip(BLANKS)
    return cell


_SPECIAL: Final = frozenset((*_QUOTES, "="))


def is_spreadsheet_error(cell: str) -> bool:
    """Whether a cell is what a spreadsheet shows when a formula failed."""
    return cell.upper() in _ERRORS or (cell[:1] == "#" and set(cell) == {"#"})


def is_absent(cell: str) -> bool:
    """Whether a cell without blanks around it is what databases, tools and people write for no value."""
    return len(cell) <= 6 and cell.casefold() in _ABSENT


def number(cell: str, column: str) -> float:
    """A cell as a number, also with a decimal comma. RowError when it is something else."""
    if "_" not in cell:  # Python takes 51_7 for 517
        try:
            return float(cell)
        except ValueError:
            pass
    return _odd_number(bare(cell).replace(_MINUS, "-").removesuffix("\xb0"), column)


def _odd_number(text: str, column: str) -> float:
    if is_spreadsheet_error(text):
        raise RowError("holds a spreadsheet's error value; repair the sheet and save it again", column)
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        # Python takes 51_7 for 517.
        return float(text.replace("_", "?"))
    except ValueError:
        raise RowError(_why_no_number(text, column), column) from None


def _why_no_number(text: str, column: str) -> str:
    if "," in text or ";" in text:
        return "is not one number: one number a column, with a point before the decimals"
    return f"is not a number: {_ADVICE[column]}" if column in _ADVICE else "is not a number"
