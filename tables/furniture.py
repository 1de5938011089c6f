"""Lines of a file that are no data: its header again, totals, row counts, rules, markings, blank rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

BLANKS: Final = (
    " \t\r\n\f\v\x1a\xa0\u2007\u202f\u3000"
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"
)
"""Characters that nobody sees at the ends of a cell."""

COUNTED: Final = ("total", "count", "sum", "record", "rows", "entries", "vehicles", "trailer", "number")
"""Words, or their beginnings, of which a total has one; a cheap test leaves all other rows alone."""
_IN_TOTALS: Final = frozenset(
    (
        *(
            "total",
            "totals",
            "grand",
            "sub",
            "subtotal",
            "sum",
            "count",
            "rowcount",
            "number",
            "no",
            "of",
            "in",
        ),
        *(
            "the",
            "this",
            "file",
            "list",
            "all",
            "record",
            "records",
            "row",
            "rows",
            "entry",
            "entries",
            "lines",
        ),
        *("vehicle", "vehicles", "vrm", "vrms", "vrn", "vrns", "plate", "plates", "registrations", "reads"),
        *(
            "cars",
            "cameras",
            "sites",
            "hits",
            "alerts",
            "trailer",
            "exported",
            "returned",
            "affected",
            "selected",
        ),
    )
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_TOTAL_ALONE: Final = re.compile(r"(?:grand |sub[ -]?)?totals?:?|count:?|sum:?", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[\d., ]*\d[\d., ]*%?")
_COUNT: Final = re.compile(
    r"\W*(\d[\d,. ]*\s*(rows?|records?|lines?|entries)(\s+(affected|selected|returned|exported|in set)\b.*)?"
    r"|(total|rows?|records?|row count|record count|count|grand total)\W+\d[\d,. ]*"
    r"|(rows?|records?)\s+(affected|selected|returned|exported)\W+\d+)\W*",
    re.IGNORECASE,
)
_NUMBER_BEHIND: Final = re.compile(r"\W+\d[\d., ]*\W*$")
_END: Final = re.compile(r"\W*(end|eof)(\s+of\s+(file|report|data|list|extract|export))?\W*", re.IGNORECASE)
_MARKING: Final = re.compile(
    r"\W*(not\s+)?(official|secret|top\s+secret|protect|protectively\s+marked|restricted|confidential|sensitive"
    r"|gpms|gsc|law\s+enforcement)\b[\w\s:/\-()\[\]]{0,60}",
    re.IGNORECASE,
)
_RULE: Final = frozenset("-=_+|*#~ ")
# Only lines whose first cell begins like this are looked at closely, so that the others cost nothing.
_FIRST: Final = frozenset("-=_+|*#~(")


def is_marking(text: str) -> bool:
    """Whether a line is a protective marking, such as OFFICIAL - SENSITIVE."""
    return _MARKING.fullmatch(text.strip(BLANKS + ",;\t|\"'")) is not None


def furniture(cells: Sequence[str]) -> str:
    """What a line is when it is no data, for the person; else empty."""
    filled = [cell for each in cells if (cell := each.strip(BLANKS))]
    if not filled:
        return "a blank row"
    first, others = filled[0], filled[1:]
    is_total = all(map(_NUMBER.fullmatch, others)) and _names_a_count(first)
    if is_total and (others or _TOTAL_ALONE.fullmatch(first)):
        return "a total"
    if not _FIRST.isdisjoint(first[:1]) and _RULE.issuperset("".join(filled)):
        return "a rule between lines"
    return "" if others else _of_one_cell(first)


def _of_one_cell(text: str) -> str:
    words = _NUMBER_BEHIND.sub("", text)
    if _COUNT.fullmatch(text) or (words != text and _names_a_count(words)):
        return "a count of rows"
    if _END.fullmatch(text):
        return "the end of the file in words"
    return "a protective marking" if is_marking(text) else ""


def may_be_furniture(cells: Sequence[str], width: int) -> bool:
    """Whether a line is worth a close look: cheap, and true for every line that `furniture` names."""
    first = cells[0]
    if len(cells) < width or not first[:1].isalnum() or not any(cells[1:]):
        return True
    return _names_a_count(first)


def _names_a_count(cell: str) -> bool:
    """Whether a cell has only words that stand before a number of rows, such as "Total vehicles:"."""
    small = cell.casefold()
    if not any(word in small for word in COUNTED) or any(map(str.isdigit, cell)):
        return False
    return _IN_TOTALS.issuperset(_WORD.findall(small))
