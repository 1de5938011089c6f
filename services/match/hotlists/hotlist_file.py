"""A hotlist's CSV, read chunk by chunk: good lines become entries, bad ones are named and left out.

A record is one line: a quote that is not closed spoils only its own line.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from anpr.vrm import VrmEmpty, VrmInvalid, normalise
from chassis.errors import InvalidInput

MOST_LINE_BYTES: Final = 8192
MOST_ERRORS: Final = 100
MOST_TEXT: Final = 500
NEVER: Final = "infinity"
_MOST_COLUMNS: Final = 100
_MOST_MARKERS: Final = 20
_MOST_MARKER: Final = 40
_DEFAULT_PRIORITY: Final = "5"
_PRIORITIES: Final = frozenset("123456789")
_REQUIRED: Final = ("vrm", "reason")
_KNOWN: Final = (*_REQUIRED, "priority", "markers", "instruction", "weed_date")
_DAY: Final = timedelta(days=1)
_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_OTHER_SEPARATORS: Final = (";", "\t", "|")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class LineProblem:
    """A line that was left out: where and why, without its content."""

    line: int
    column: str
    message: str


@dataclass(slots=True)
class Entries:
    """Good lines, one list a column."""

    lines: list[int] = field(default_factory=list)
    vrms: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    priorities: list[str] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)
    instructions: list[str] = field(default_factory=list)
    weed_dates: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)


class _LineError(ValueError):
    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.message = message


class HotlistFile:
    """Takes the bytes of one file in order. Keeps at most one unfinished line of them."""

    def __init__(self) -> None:
        self.accepted = 0
        self.rejected = 0
        self.problems: list[LineProblem] = []
        self.ignored_columns: list[str] = []
        self._rest = b""
        self._overlong = False
        self._line = 0
        self._indexes: dict[str, int] = {}
        self._width = 0

    def feed(self, chunk: bytes) -> Entries:
        """The entries of the lines that `chunk` completes. Raises InvalidInput CSV_HEADER_INVALID."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        entries = Entries()
        for line in lines:
            self._take(line, entries)
        # A line without an end must not fill the memory. Its beginning is enough to refuse it.
        self._overlong = self._overlong or len(rest) > MOST_LINE_BYTES
        self._rest = rest[:MOST_LINE_BYTES]
        return entries

    def finish(self) -> Entries:
        """The entry of a last line without a line end. Raises InvalidInput when there was no header."""
        entries = Entries()
        if self._rest:
            self._take(self._rest, entries)
        if not self._indexes:
            raise _header_fault("the file is empty")
        return entries

    def _take(self, line: bytes, entries: Entries) -> None:
        overlong, self._overlong = self._overlong or len(line) > MOST_LINE_BYTES, False
        self._line += 1
        if self._line == 1:
            self._read_header(line.removeprefix(_BOM), overlong=overlong)
            return
        if overlong:
            self._reject(_LineError("", f"the line is longer than {MOST_LINE_BYTES} bytes"))
            return
        try:
            self._add(line, entries)
        except _LineError as problem:
            # Spreadsheets write rows that have only commas.
            if line.strip(b' ,\t\r"'):
                self._reject(problem)

    def _add(self, line: bytes, entries: Entries) -> None:
        cells = _split(line)
        if len(cells) != self._width:
            raise _LineError("", f"the line has {len(cells)} fields, the header {self._width}")
        cell = self._cell
        # All checks come first: a line is used as a whole or not at all.
        vrm = _vrm(cells[self._indexes["vrm"]])
        reason = _text("reason", cells[self._indexes["reason"]])
        if not reason:
            raise _LineError("reason", "the reason is empty")
        priority = _priority(cell(cells, "priority"))
        markers = _markers(cell(cells, "markers"))
        instruction = _text("instruction", cell(cells, "instruction"))
        weed_date = _weed_date(cell(cells, "weed_date").strip())
        entries.lines.append(self._line)
        entries.vrms.append(vrm)
        entries.reasons.append(reason)
        entries.priorities.append(priority)
        entries.markers.append(markers)
        entries.instructions.append(instruction)
        entries.weed_dates.append(weed_date)
        self.accepted += 1

    def _cell(self, cells: list[str], column: str) -> str:
        index = self._indexes.get(column)
        return "" if index is None else cells[index]

    def _reject(self, problem: _LineError) -> None:
        self.rejected += 1
        if len(self.problems) < MOST_ERRORS:
            self.problems.append(LineProblem(self._line, problem.column, problem.message))

    def _read_header(self, line: bytes, *, overlong: bool) -> None:
        if line.startswith(_GZIP):
            raise _header_fault("the file is compressed, so unpack it first")
        try:
            names = [] if overlong else [name.strip().lower() for name in _split(line)]
        except _LineError as problem:
            raise _header_fault(problem.message) from None
        if any(mark in name and "vrm" in name.split(mark) for name in names for mark in _OTHER_SEPARATORS):
            raise _header_fault("its columns are not separated by commas")
        if not 0 < len(names) <= _MOST_COLUMNS:
            raise _header_fault(f"it is not a line of 1 to {_MOST_COLUMNS} column names")
        # The message does not quote the line: in a file without a header it is a plate.
        if missing := [name for name in _REQUIRED if name not in names]:
            raise _header_fault(f"it lacks the columns {', '.join(missing)}")
        if doubled := [name for name in _KNOWN if names.count(name) > 1]:
            raise _header_fault(f"it has the columns {', '.join(doubled)} twice")
        self._width = len(names)
        self._indexes = {name: names.index(name) for name in _KNOWN if name in names}
        self.ignored_columns = [name[:100] for name in names if name not in _KNOWN]


def _split(line: bytes) -> list[str]:
    try:
        text = line.decode().rstrip("\r")
    except UnicodeDecodeError:
        raise _LineError("", "the line is not UTF-8") from None
    if '"' not in text:
        return text.split(",")
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        raise _LineError("", "a quote is not closed, or has text after its end, on this line") from None
    return rows[0] if rows else []


def _vrm(cell: str) -> str:
    try:
        return normalise(cell)
    except VrmEmpty:
        raise _LineError("vrm", "the plate is empty") from None
    except VrmInvalid:
        raise _LineError("vrm", "the plate is not 1 to 12 of A-Z and 0-9") from None


def _text(column: str, cell: str) -> str:
    text = cell if cell.isprintable() else " ".join(cell.split())
    if not text.isprintable() and _CONTROL.search(text):
        raise _LineError(column, "it contains control characters")
    text = text.strip()
    if len(text) > MOST_TEXT:
        raise _LineError(column, f"it has more than {MOST_TEXT} characters")
    return text


def _priority(cell: str) -> str:
    priority = cell.strip() or _DEFAULT_PRIORITY
    if priority not in _PRIORITIES:
        raise _LineError("priority", "it is not a whole number from 1 to 9")
    return priority


@lru_cache(maxsize=4096)
def _markers(cell: str) -> str:
    markers = [marker for part in _text("markers", cell).split(";") if (marker := part.strip())]
    if len(markers) > _MOST_MARKERS or any(len(marker) > _MOST_MARKER for marker in markers):
        raise _LineError("markers", f"it is not at most {_MOST_MARKERS} markers of {_MOST_MARKER} characters")
    return ";".join(markers)


@lru_cache(maxsize=4096)
def _weed_date(cell: str) -> str:
    if not cell:
        return NEVER
    try:
        if len(cell) > len("2026-01-31"):
            end = datetime.fromisoformat(cell)
            return (end if end.tzinfo else end.replace(tzinfo=UTC)).isoformat()
        day = date.fromisoformat(cell)
    except ValueError:
        raise _LineError("weed_date", "it is not an ISO date or date-time") from None
    # A date means its end. The last day of the calendar has none.
    return NEVER if day == date.max else datetime.combine(day + _DAY, time(), UTC).isoformat()


def _header_fault(text: str) -> InvalidInput:
    return InvalidInput(
        "CSV_HEADER_INVALID",
        f"the header line of the hotlist is unusable: {text}; columns are {', '.join(_KNOWN)}",
        field="chunk",
    )
