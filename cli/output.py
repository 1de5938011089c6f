"""What the command writes: results to standard output, remarks and errors to standard error."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Final

_PIPE_WIDTH: Final = 400

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def console() -> "Console":
    """Where results go."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def notes() -> "Console":
    """Where remarks, progress and errors go, so that a pipe gets results only."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Say one thing to the person, never to a pipe."""
    notes().print(text, style="dim", markup=False)


def warn(text: str) -> None:
    """Say one thing that the person should not overlook."""
    notes().print(text, style="yellow", markup=False)


def write_json(value: object, *, stream: IO[str] | None = None) -> None:
    """One JSON value on one line, written at once so that a reader of the pipe need not wait."""
    target = stream or sys.stdout
    target.write(json.dumps(value, ensure_ascii=False, default=_plain, separators=(", ", ": ")) + "\n")
    target.flush()


def show(renderable: "RenderableType") -> None:
    """Print a table; in a pipe it is as wide as its longest row, since nobody there scrolls."""
    target = console()
    if target.is_terminal:
        target.print(renderable, soft_wrap=False)
    else:
        _unbounded().print(renderable)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: Sequence[str] = ()
) -> None:
    """Print rows under headings; columns named in `right` hold numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, expand=False)
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text.from_markup(cell) for cell in row))
    show(grid)


def plain(text: str) -> str:
    """Text from outside, safe inside a table cell: no markup, no control characters."""
    from rich.markup import escape

    return escape("".join(letter if letter.isprintable() else "�" for letter in text))


def local_time(moment: datetime | None) -> str:
    """A time for people, in UTC to the second, or a dash."""
    return "-" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, noun: str, nouns: str = "") -> str:
    """For example "1 read" or "1,234 reads"."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def _unbounded() -> "Console":
    from rich.console import Console

    return Console(width=_PIPE_WIDTH, highlight=False)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
