"""Writes for people: results to standard output, remarks and errors to standard error.

Whatever a verb shows is written here, and made harmless for a terminal on the way: names, reasons, plates,
file names and messages of servers come from outside. Panels that are redrawn are in `cli.live`.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, TextIO

from cli.flow import flowing
from cli.grid import GAP, Column, Grid, Marked, Words, fitted, lines, text_of
from cli.writing import write_line

__all__ = [
    "Column",
    "Marked",
    "counted",
    "fail",
    "flow",
    "local_time",
    "note",
    "note_cut",
    "say",
    "table",
    "warn",
]

STYLES: Final = {
    "": "",
    "bold": "1",
    "dim": "2",
    "bad": "31",
    "good": "32",
    "doubt": "33",
    "error": "1;31",
    "plate": "1;30;43",
    "danger": "1;37;41",
}
_RULE: Final = "─"


def say(*words: Words) -> None:
    """Write one line of a result. Its parts are separated by nothing."""
    _write(sys.stdout, words)


def flow(pieces: Iterable[Words], indent: str = "", *, continued: str | None = None) -> None:
    """Write pieces with blanks between. A terminal ends a line only between two of them, a pipe never does.

    Further lines are indented by `continued`, by default as the first one.
    """
    for line in flowing(pieces, _terminal_width(), indent, indent if continued is None else continued):
        say(*line)


def note(text: str) -> None:
    """Say one thing to the person, never to a pipe."""
    _write(sys.stderr, (Marked(text, "dim"),))


def warn(text: str) -> None:
    """Say one thing that the person should not overlook."""
    _write(sys.stderr, (Marked(text, "doubt"),))


def fail(sentence: str) -> None:
    """Say why the verb could not do what was asked."""
    _write(sys.stderr, (Marked(f"gantry: {sentence}", "error"),))


def table(
    columns: Sequence[Column | str],
    rows: Sequence[Sequence[Words]],
    *,
    title: str = "",
    right: Sequence[str] = (),
) -> None:
    """Print rows under headings. A name alone is a column that is always shown; `right` holds numbers.

    A terminal gets the columns that fit. A pipe or a file gets all of them, as wide as they are.
    """
    wanted = [Column(one, right=one in right) if isinstance(one, str) else one for one in columns]
    width = _terminal_width()
    grid = fitted(wanted, rows, width)
    if title:
        say(title)
    if not grid.shown:
        _blocks(wanted, rows)
        return
    _rows(wanted, rows, grid)
    if grid.left_out:
        names = ", ".join(grid.left_out)
        note(f"not shown at {width} columns: {names}; a wider terminal, a pipe or --json shows them")


def note_cut(forces: Sequence[str], limit: int) -> None:
    """Say that a list left out older items of these forces; nothing when there are none."""
    if forces:
        note(f"the newest {limit:,} of {', '.join(forces)} are shown; --limit shows more")


def local_time(moment: datetime | None) -> str:
    """A time for people, in UTC to the second, or a dash."""
    return "-" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, noun: str, nouns: str = "") -> str:
    """For example "1 read" or "1,234 reads"."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def _rows(columns: Sequence[Column], rows: Sequence[Sequence[Words]], grid: Grid) -> None:
    header = next(lines(columns, [Marked(column.name, "bold") for column in columns], grid))
    _row(header)
    say(Marked(_RULE * (sum(grid.widths) + GAP * (len(grid.widths) - 1)), "dim"))
    for row in rows:
        for cells in lines(columns, row, grid):
            _row(cells)


def _row(cells: Sequence[Marked]) -> None:
    *before, last = cells
    spaced = [one for cell in before for one in (cell, " " * GAP)]
    say(*spaced, Marked(last.text.rstrip(), last.style))


def _blocks(columns: Sequence[Column], rows: Sequence[Sequence[Words]]) -> None:
    """Each row as lines of name and value, where a terminal is too narrow for columns."""
    widest = max(len(column.name) for column in columns)
    for row in rows:
        for column, words in zip(columns, row, strict=True):
            if text_of(words):
                say(Marked(f"{column.name:<{widest}}  ", "dim"), words)
        say()


def _write(stream: TextIO | None, words: Sequence[Words]) -> None:
    """The only way out: every text is made harmless, and gets its style where the stream is a terminal."""
    if stream is None:
        return  # the reader of our pipe has gone
    coloured = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    line = "".join(_styled(one) if coloured else text_of(one) for one in words)
    encoding = stream.encoding or "utf-8"
    write_line(stream, line.encode(encoding, "replace").decode(encoding))


def _styled(words: Words) -> str:
    code = "" if isinstance(words, str) else STYLES[words.style]
    return f"\x1b[{code}m{text_of(words)}\x1b[0m" if code else text_of(words)


def _terminal_width() -> int | None:
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns
