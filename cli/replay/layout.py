"""CSV or JSON lines: from a line of bytes to the values of our columns."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.exits import CliError, Exit
from cli.replay.columns import OURS, Columns, match_columns
from cli.replay.lines import LONGEST_LINE, LineFile

Values = Sequence[Any]
Parser = Callable[[bytes], Values]
_DELIMITERS: Final = ",;\t|"
_SAMPLE_LINES: Final = 1000


class BrokenLineError(Exception):
    """The line cannot be understood; `column` is ours, or empty when the whole line is at fault."""

    def __init__(self, message: str, column: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.column = column


@dataclass(frozen=True)
class Layout:
    """How the file is laid out."""

    kind: str
    columns: Columns
    header_lines: int
    delimiter: str = ","
    names: tuple[str, ...] = ()

    def parser(self, wanted: Sequence[str] = OURS) -> Parser:
        """From a line to values of `wanted` columns, None if absent; it raises BrokenLineError."""
        return self._csv_parser(wanted) if self.kind == "csv" else self._json_parser(wanted)

    def _csv_parser(self, wanted: Sequence[str]) -> Parser:
        delimiter, width = self.delimiter, len(self.names)
        place = {name: index for index, name in reversed(list(enumerate(self.names)))}
        absent = width
        picks = [place.get(self.columns.theirs.get(name, ""), absent) for name in wanted]
        force_at = self._fixed_force_at(wanted)
        fixed = self.columns.fixed_force

        def parse(line: bytes) -> Values:
            text = _decoded(line)
            row: list[Any] = _quoted_row(text, delimiter) if '"' in text else text.split(delimiter)
            if len(row) != width:
                row = _trimmed(row, width)
            row.append(None)
            values = [row[pick] for pick in picks]
            if force_at is not None:
                values[force_at] = fixed
            return values

        return parse

    def _json_parser(self, wanted: Sequence[str]) -> Parser:
        keys = [self.columns.theirs.get(name, name) for name in wanted]
        force_at = self._fixed_force_at(wanted)
        fixed = self.columns.fixed_force

        def parse(line: bytes) -> Values:
            get = _object(line).get
            values = [get(key) for key in keys]
            if force_at is not None:
                values[force_at] = fixed
            return values

        return parse

    def _fixed_force_at(self, wanted: Sequence[str]) -> int | None:
        return wanted.index("force") if self.columns.fixed_force is not None and "force" in wanted else None


def find_layout(file: LineFile, chosen: Mapping[str, str], fixed_force: str | None) -> Layout:
    """Tell CSV from JSON lines by content and find our columns. CliError says what does not fit."""
    if file.beginning.startswith(b"["):
        raise CliError(
            f"{file.path} is one JSON array: write one object a line instead (JSON lines)", Exit.USAGE
        )
    if file.beginning.startswith(b"{"):
        return _json_layout(file, chosen, fixed_force)
    return _csv_layout(file, chosen, fixed_force)


def _csv_layout(file: LineFile, chosen: Mapping[str, str], fixed_force: str | None) -> Layout:
    line = file.beginning.splitlines()[0]
    try:
        text = _decoded(line)
        delimiter = max(_DELIMITERS, key=text.count)
        names = _quoted_row(text, delimiter)
    except BrokenLineError as broken:
        raise CliError(f"{file.path}: the header line cannot be read: {broken.message}", Exit.USAGE) from None
    columns = match_columns(names, chosen, fixed_force)
    return Layout("csv", columns, 1, delimiter, tuple(names))


def _json_layout(file: LineFile, chosen: Mapping[str, str], fixed_force: str | None) -> Layout:
    keys: dict[str, None] = {}
    for line in file.beginning.splitlines()[:_SAMPLE_LINES]:
        try:
            keys.update(dict.fromkeys(_object(line)))
        except BrokenLineError:
            continue
    if not keys:
        raise CliError(f"{file.path} has no line at its beginning that is a JSON object", Exit.USAGE)
    found = match_columns(list(keys), chosen, fixed_force)
    # A key may occur for the first time in a later line, so that every name is accepted.
    theirs = {name: found.theirs.get(name, chosen.get(name, name)) for name in OURS}
    return Layout("json", Columns(theirs, found.ignored, fixed_force), 0)


def _decoded(line: bytes) -> str:
    if len(line) > LONGEST_LINE:
        raise BrokenLineError(f"the line is longer than {LONGEST_LINE:,} bytes")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise BrokenLineError(f"byte {error.start + 1} of the line is not UTF-8") from None


def _quoted_row(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True))
    except (csv.Error, StopIteration):
        raise BrokenLineError("a quotation mark is not closed, or stands inside a field") from None


def _trimmed(row: list[Any], width: int) -> list[Any]:
    if len(row) > width and not any(row[width:]):
        return row[:width]
    raise BrokenLineError(f"the line has {len(row)} columns, the header {width}")


def _object(line: bytes) -> dict[str, Any]:
    text = _decoded(line)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BrokenLineError("the line is not JSON") from None
    if not isinstance(value, dict):
        raise BrokenLineError("the line is not a JSON object")
    return value
