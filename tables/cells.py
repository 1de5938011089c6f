"""Cells as people mean them: without guards against spreadsheets, quotes around them, unseen blanks."""

from __future__ import annotations

import re
from typing import Final

from tables.faults import RowError
from tables.furniture import BLANKS

_QUOTES: Final = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\xab\xbb\xb4"
_GUARD: Final = re.compile(r'=\s*"((?:[^"]|"")*)"')
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d{1,3},\d+")
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


def number(cell: str, column: str) -> float:
    """A cell as a number, also with a decimal comma. RowError when it is something else."""
    try:
        return float(cell)
    except ValueError:
        return _odd_number(bare(cell), column)


def _odd_number(text: str, column: str) -> float:
    if is_spreadsheet_error(text):
        raise RowError("holds a spreadsheet's error value; repair the sheet and save it again", column)
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        raise RowError(_why_no_number(text), column) from None


def _why_no_number(text: str) -> str:
    if "," in text or ";" in text:
        return "is not one number: one number a column, with a point before the decimals"
    if text[-1:].upper() in {"N", "S", "E", "W"} or "\xb0" in text:
        return "is not a number: write degrees with a point, such as 51.7342, south and west negative"
    return "is not a number"
