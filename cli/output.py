"""Writes for people: results to standard output, remarks and errors to standard error."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH: Final = 400


def console() -> Console:
    """Where results go."""
    return Console(highlight=False, soft_wrap=True)


def notes() -> Console:
    """Where remarks, progress and errors go, so that a pipe gets results only."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Say one thing to the person, never to a pipe."""
    notes().print(text, style="dim", markup=False)


def warn(text: str) -> None:
    """Say one thing that the person should not overlook."""
    notes().print(text, style="yellow", markup=False)


def show(renderable: RenderableType) -> None:
    """Print a table; in a pipe it is as wide as its longest row."""
    target = console()
    if target.is_terminal:
        target.print(renderable, soft_wrap=False)
    else:
        _unbounded().print(renderable)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: Sequence[str] = ()
) -> None:
    """Print rows under headings; columns named in `right` hold numbers."""
    grid = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, expand=False)
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text.from_markup(cell) for cell in row))
    show(grid)


def plain(text: str) -> str:
    """Text from outside, safe inside a table cell: no markup, no control characters."""
    return escape("".join(letter if letter.isprintable() else "�" for letter in text))


def local_time(moment: datetime | None) -> str:
    """A time for people, in UTC to the second, or a dash."""
    return "-" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, noun: str, nouns: str = "") -> str:
    """For example "1 read" or "1,234 reads"."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def _unbounded() -> Console:
    return Console(width=_PIPE_WIDTH, highlight=False)
