"""A delimited file, fed by chunks: good lines become the values of our columns, bad ones are named."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from tables.blocks import Block, plain_columns
from tables.columns import Found, Wanted, folded
from tables.faults import Remark, RowError, TableError
from tables.furniture import BLANKS, furniture, may_be_furniture
from tables.header import DELIMITERS, Header, HeaderSearch
from tables.in_force import InForce
from tables.lines import Line, Lines, is_windows

Row = tuple[int, str, "Sequence[Any] | RowError"]
"""Number of the line, its text, and the values of the wanted columns in their order, or why there are none.

A column that the file does not have has the value "" everywhere.
"""

MOST_REMARKS: Final = 100
# A text that contains line breaks is one record, but a quote that is never closed must not swallow the file.
_MOST_JOINED: Final = 20
# So many lines are taken at once; when one is odd, those near it are taken one by one.
_MOST_TOGETHER: Final = 1000
_FEW: Final = 40
_DELIMITERS_IN_WORDS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "|"}
_NOT_CLOSED: Final = "a quotation mark is not closed, on this line or soon after"
_TWO_LINE_ENDS: Final = (
    "a carriage return stands in the middle of the line: the file was joined from files with other line ends"
)
_TEXT_AFTER_QUOTE: Final = "a quotation mark has text after its end, or is not doubled inside a text"


class Table:
    """Takes the bytes of one file in order. Keeps at most some unfinished lines of them."""

    def __init__(self, wanted: Wanted, chosen: Mapping[str, str] | None = None, *, longest: int) -> None:
        """`chosen` maps our names to the file's; `longest` is the most characters of a line."""
        self.lines = Lines(longest)
        self.header: Header | None = None
        self.furniture = 0
        self.remarks: list[Remark] = []
        self._wanted = wanted
        self._chosen = dict(chosen or {})
        self._search = HeaderSearch(wanted, self._chosen)
        self._open: list[tuple[int, str]] = []
        self._windows_line = 0
        self._short_line = 0

    @property
    def found(self) -> Found:
        """Our columns in the file. The header has to be read before."""
        assert self.header is not None, "the header comes first"
        return self.header.found

    def feed(self, chunk: bytes) -> Iterator[Row]:
        """The rows that `chunk` completes. Raises TableError. Read it to its end before the next chunk."""
        return _single(self.feed_blocks(chunk))

    def finish(self) -> Iterator[Row]:
        """The rows that are left at the end of the file. Raises TableError, also when there was no header."""
        return _single(self.finish_blocks())

    def feed_blocks(self, chunk: bytes) -> Iterator[Block | Row]:
        """The same rows as `feed`: plain ones in blocks, others one by one."""
        for first, texts in self.lines.feed_blocks(chunk):
            yield from self._take_block(first, texts)

    def finish_blocks(self) -> Iterator[Block | Row]:
        """The same rows as `finish`: plain ones in blocks, others one by one."""
        last = 0
        for first, texts in self.lines.finish_blocks():
            last = first + len(texts) - 1
            yield from self._take_block(first, texts)
        yield from self._give_up()
        if self.header is None:
            raise self._search.give_up()
        if self.lines.ends_without_line_end and last:
            self._end_of_file(last)

    @property
    def has_all_remarks(self) -> bool:
        """Whether no more remarks are kept."""
        return len(self.remarks) >= MOST_REMARKS

    def remark(self, line: int, column: str, message: str) -> None:
        """Note something about a line that was taken."""
        if not self.has_all_remarks:
            self.remarks.append(Remark(line, column, message))

    def _take_block(self, first: int, texts: Sequence[str | RowError]) -> Iterator[Block | Row]:
        begin = 0
        while self.header is None and begin < len(texts):
            self._begin(first + begin, texts[begin])
            begin += 1
        for at in range(begin, len(texts), _MOST_TOGETHER):
            yield from self._together(first + at, texts[at : at + _MOST_TOGETHER])

    def _together(self, first: int, texts: Sequence[str | RowError]) -> Iterator[Block | Row]:
        if (block := self._plain(first, texts)) is not None:
            yield block
        elif len(texts) <= _FEW:
            for number, text in enumerate(texts, first):
                yield from self._take(number, text)
        else:
            # An odd line keeps only those near it from being taken at once.
            for at in range(0, len(texts), _FEW):
                yield from self._together(first + at, texts[at : at + _FEW])

    def _plain(self, first: int, lines: Sequence[str | RowError]) -> Block | None:
        """Lines as a block, when nothing has to be known about any of them but its values."""
        if self._open or {*map(type, lines)} != {str}:
            return None
        assert self.header is not None, "the header comes first"
        texts = cast("Sequence[str]", lines)
        columns = plain_columns(texts, self.header.delimiter, self._width, self._known)
        if columns is None or self._in_force.denied(columns):
            return None
        columns = [*columns, [""] * len(texts)]
        values = [columns[pick] for pick in self._picks]
        for at, places in self._sums:
            rows = zip(*(columns[place] for place in places), strict=True)
            values[at] = [" ".join([part for each in row if (part := each.strip(BLANKS))]) for row in rows]
        return Block(first, texts, values)

    def _take(self, number: int, text: str | RowError) -> Iterator[Row]:
        header = self.header
        assert header is not None, "the header comes first"
        if type(text) is str and not self._open and '"' not in text:
            cells = text.split(header.delimiter)
            if (row := self._row(number, text, cells)) is not None:
                yield row
            return
        yield from self._take_slowly(number, text)

    def _begin(self, number: int, text: str | RowError) -> None:
        self._note_encoding(number, text)
        if (header := self._search.take(number, text)) is None:
            return
        self.header = header
        self._width = header.width
        self._names = [folded(name) for name in header.names[: self._width]]
        self._known = frozenset(name.strip().casefold() for name in header.names if name.strip())
        places = [header.found.places.get(ours, ()) for ours in self._wanted.ours]
        absent = self._width
        self._picks = [each[0] if each else absent for each in places]
        self._sums = [(at, each) for at, each in enumerate(places) if len(each) > 1]
        # A shorter line lacks a value that it needs. Spreadsheets leave out only empty cells at the end.
        self._least = 1 + max(max(places[at]) for at, _ in enumerate(self._wanted.required))
        self._needs = [folded(header.found.theirs(ours)) for ours in self._wanted.required]
        self._filling = [""] * (absent + 1)
        used = {place for each in places for place in each}
        self._in_force = InForce(header.names[: self._width] if self._wanted.in_force else (), used)

    def _take_slowly(self, number: int, text: str | RowError) -> Iterator[Row]:
        """A line with quotes, or one that may belong to a text that goes on over several lines."""
        waiting: deque[Line] = deque([(number, text)])
        while waiting:
            at, line = waiting.popleft()
            self._note_encoding(at, line)
            row, again = self._joined(at, line)
            waiting.extendleft(reversed(again))
            if row is not None:
                yield row

    def _joined(self, number: int, text: str | RowError) -> tuple[Row | None, Sequence[Line]]:
        """(a row, lines to look at again). The line ends the open record, goes on with it, or spoils it."""
        assert self.header is not None, "the header comes first"
        if isinstance(text, RowError):
            return self._spoiled((number, text)) if self._open else ((number, "", text), ())
        if not self._open and '"' not in text:
            return self._row(number, text, text.split(self.header.delimiter)), ()
        lines = [*self._open, (number, text)]
        if self._open and self._swallows(lines):
            return self._spoiled((number, text))
        cells, is_open = _parsed([line for _, line in lines], self.header.delimiter)
        if is_open:
            self._open = lines
            return None, ()
        return self._ended(lines, cells)

    def _ended(
        self, lines: Sequence[tuple[int, str]], cells: list[str] | None
    ) -> tuple[Row | None, Sequence[Line]]:
        """A record whose last line is known; without cells it is bad."""
        number, text = lines[-1]
        if cells is not None:
            self._open = []
            return self._row(lines[0][0], "\n".join(line for _, line in lines), cells), ()
        if self._open:
            return self._spoiled((number, text))
        return (number, text, RowError(_TEXT_AFTER_QUOTE)), ()

    def _swallows(self, lines: Sequence[tuple[int, str]]) -> bool:
        """Whether joining these lines would take in a line that is a row of its own, or too much."""
        assert self.header is not None, "the header comes first"
        text = lines[-1][1]
        is_row = '"' not in text and self._width > 1 and text.count(self.header.delimiter) + 1 == self._width
        return is_row or len(lines) > _MOST_JOINED or sum(len(line) for _, line in lines) > self.lines.longest

    def _spoiled(self, *after: Line) -> tuple[Row, Sequence[Line]]:
        """The first line of the open record, as bad; its other lines and those after are looked at again."""
        (number, text), *rest = self._open
        self._open = []
        return (number, text, RowError(_NOT_CLOSED)), [*rest, *after]

    def _give_up(self) -> Iterator[Row]:
        while self._open:
            row, again = self._spoiled()
            yield row
            for number, text in again:
                yield from self._take_slowly(number, text)

    def _row(self, number: int, text: str, cells: list[str]) -> Row | None:
        width = self._width
        if (
            len(cells) != width
            or may_be_furniture(cells, width)
            or cells[0].strip().casefold() in self._known
        ):
            what = furniture(cells) or self._header_again(number, cells)
            if what:
                self._leave_out(number, text, what)
                return None
            if "\r" in text and '"' not in text:
                return number, text, RowError(_TWO_LINE_ENDS)
            if len(cells) > width and any(cell.strip(BLANKS) for cell in cells[width:]):
                return number, text, RowError(self._too_wide(cells))
            if len(cells) < self._least:
                return number, text, RowError(self._too_narrow(text, cells))
            if len(cells) < width:
                self._short_line = number
            cells = [*cells[:width], *self._filling[min(len(cells), width) :]]
        else:
            if "\r" in text and '"' not in text:
                return number, text, RowError(_TWO_LINE_ENDS)
            cells.append("")
        values = [cells[pick] for pick in self._picks]
        for at, places in self._sums:
            values[at] = " ".join(part for place in places if (part := cells[place].strip(BLANKS)))
        return number, text, self._in_force.why_not(cells) or values

    def _leave_out(self, number: int, text: str, what: str) -> None:
        if text.strip(BLANKS):
            self.furniture += 1
            if what != "a blank row":
                self.remark(number, "", f"left out: it is {what}")

    def _header_again(self, number: int, cells: Sequence[str]) -> str:
        names = [folded(cell) for cell in cells]
        while names and not names[-1]:
            names.pop()
        if names == self._names:
            return "the header line again"
        if len(names) > 1 and all(need in names for need in self._needs):
            raise TableError(
                f"line {number} is a header line with other columns than the first: split the file there"
            )
        return ""

    def _too_wide(self, cells: Sequence[str]) -> str:
        assert self.header is not None, "the header comes first"
        beyond = next(at for at, cell in enumerate(cells) if at >= self._width and cell.strip(BLANKS))
        if beyond < len(self.header.names):
            return f"column {beyond + 1} has a value, but no name in the header: name it, or leave it empty"
        message = f"the line has {_columns(cells)}, the header {self._width}"
        if self.header.delimiter == ",":
            return f"{message}: put a text that has a comma in quotes"
        return message

    def _too_narrow(self, text: str, cells: Sequence[str]) -> str:
        assert self.header is not None, "the header comes first"
        message, ours = f"the line has {_columns(cells)}, the header {self._width}", self.header.delimiter
        if len(cells) == 1 and ours in cells[0]:
            return f"{message}: the line is in quotes as a whole; put quotes around single texts"
        others = [each for each in DELIMITERS if each != ours and text.count(each) + 1 == self._width]
        if len(cells) == 1 and others:
            named, header = _DELIMITERS_IN_WORDS[others[0]], _DELIMITERS_IN_WORDS[ours]
            return f"{message}: it is separated by {named}, the header by {header}"
        return message

    def _note_encoding(self, number: int, text: str | RowError) -> None:
        if not self._windows_line and not isinstance(text, RowError) and is_windows(text):
            self._windows_line = number
            self.remark(number, "", "the line is not UTF-8; it and others like it were read as Windows-1252")

    def _end_of_file(self, last: int) -> None:
        if self._short_line == last:
            self.remark(last, "", "the line is short and has no line end: was the file cut off here?")


def _single(parts: Iterator[Block | Row]) -> Iterator[Row]:
    for part in parts:
        if isinstance(part, Block):
            yield from part.rows()
        else:
            yield part


def _columns(cells: Sequence[str]) -> str:
    return "1 column" if len(cells) == 1 else f"{len(cells)} columns"


def _parsed(lines: Sequence[str], delimiter: str) -> tuple[list[str] | None, bool]:
    """(cells, whether a quote is still open); no cells when a quote has text after its end."""
    asked = False

    def given() -> Iterator[str]:
        nonlocal asked
        yield from (f"{line}\n" for line in lines[:-1])
        yield lines[-1]
        asked = True

    try:
        row = next(csv.reader(given(), delimiter=delimiter, strict=True, skipinitialspace=True))
    except (csv.Error, StopIteration):
        return None, asked
    return row, False
