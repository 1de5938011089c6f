"""Finds the header line of a delimited file, its delimiter and our columns in it."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tables.columns import (
    MOST_COLUMNS,
    Found,
    HeaderError,
    Wanted,
    folded,
    looks_like_header,
    match_columns,
)
from tables.faults import RowError
from tables.furniture import BLANKS, is_marking
from tables.kinds import looks_like_json

DELIMITERS: Final = ",;\t|"
# Lines that are looked at for the header when the first one is none.
_LOOKED_AT: Final = 20
_MOST_JOINED: Final = 5
_NOT_CLOSED: Final = "the header line has a quotation mark that is not closed, or has text after its end"
_SEPARATOR: Final = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """The header line and what follows from it."""

    line: int
    delimiter: str
    names: tuple[str, ...]
    found: Found

    @property
    def width(self) -> int:
        """Columns of a line; those without a name at the end are not counted."""
        return max((place for place, name in enumerate(self.names, 1) if name.strip(BLANKS)), default=1)


class HeaderSearch:
    """Takes the first lines of a file until the header is found or its absence can be explained."""

    def __init__(self, wanted: Wanted, chosen: Mapping[str, str]) -> None:
        self._wanted = wanted
        self._chosen = chosen
        self._delimiter = ""
        self._first: tuple[int, str] | None = None
        self._begun: list[tuple[int, str]] = []
        self._fault: HeaderError | None = None
        self._looked_at = 0

    def take(self, number: int, text: str | RowError) -> Header | None:
        """The header when this line is it. Raises HeaderError when it cannot be found any more."""
        if isinstance(text, RowError):
            if self._first is None:
                raise HeaderError(
                    f"line {number}, which should be the header, cannot be read: {text.message}"
                )
            self._count()
            return None
        text = text.strip(BLANKS.replace("\t", ""))
        if not text.strip(BLANKS):
            return None
        if self._first is None and looks_like_json(text):
            raise HeaderError("it is JSON and no table: write a CSV file with a header line")
        if self._first is None and not self._delimiter and (separator := _SEPARATOR.fullmatch(text)):
            self._delimiter = separator[1]
            return None
        return self._try(number, text)

    def give_up(self) -> HeaderError:
        """Why there is no header, at the end of the file."""
        return self._fault or HeaderError("the file is empty: it has no header line")

    def _try(self, number: int, text: str) -> Header | None:
        if self._first is not None:
            if any(looks_like_header(names, self._wanted, self._chosen) for _, names in self._ways(text)):
                raise HeaderError(self._above(number))
            self._count()
            return None
        if self._begun:
            return self._joined(number, text)
        try:
            return self._header(number, text)
        except HeaderError as fault:
            self._fault = fault
            if text.count('"') % 2:
                # Names in a spreadsheet's header often go on over several lines.
                self._begun = [(number, text)]
                if all(len(names) == 1 for _, names in self._ways(text)):
                    self._fault = HeaderError(_NOT_CLOSED)
            else:
                self._first = number, text
        return None

    def _joined(self, number: int, text: str) -> Header | None:
        """The header when this line ends the text in quotes that an earlier one has begun."""
        self._begun.append((number, text))
        joined = " ".join(line for _, line in self._begun)
        if joined.count('"') % 2 and len(self._begun) < _MOST_JOINED:
            return None
        (first, begin), self._begun = self._begun[0], []
        try:
            return self._header(first, joined)
        except HeaderError as fault:
            self._first = first, begin
            if joined.count('"') % 2 == 0:
                self._fault = fault
        return None

    def _count(self) -> None:
        self._looked_at += 1
        if self._looked_at >= _LOOKED_AT:
            raise self.give_up()

    def _header(self, number: int, text: str) -> Header:
        ways = list(self._ways(text))
        if not ways:
            raise HeaderError(_NOT_CLOSED)
        ours = {*self._wanted.ours, *map(folded, self._chosen.values())}
        delimiter, names = max(ways, key=lambda way: (len(ours & set(map(folded, way[1]))), len(way[1])))
        if len(names) > MOST_COLUMNS:
            raise HeaderError(f"the header line has {len(names):,} columns; at most {MOST_COLUMNS} are read")
        return Header(number, delimiter, tuple(names), match_columns(names, self._wanted, self._chosen))

    def _ways(self, text: str) -> list[tuple[str, list[str]]]:
        """(delimiter, names) for each delimiter with which the line can be read."""
        ways = []
        # Blanks between a closing quote and the delimiter are no part of a name.
        closed = text.count('"') % 2 == 0
        for delimiter in self._delimiter or DELIMITERS:
            try:
                row = next(csv.reader([text], delimiter=delimiter, strict=not closed, skipinitialspace=True))
            except (csv.Error, StopIteration):
                continue
            ways.append((delimiter, row))
        return ways

    def _above(self, number: int) -> str:
        assert self._first is not None, "a line came before"
        line, text = self._first
        if is_marking(text):
            what = f"line {line} is a protective marking and no header"
        else:
            what = f"line {line} does not have the columns"
        return f"{what}; line {number} looks like the header: delete what stands above it"
