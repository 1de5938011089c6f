"""Lays pieces of text out in lines. No line ends inside a plate, a time or an id."""

from collections.abc import Iterable, Iterator, Sequence

from cli.grid import Marked, Words, text_of
from cli.inert import width_of


def prose(text: str, style: str = "") -> Iterator[Words]:
    """Free text as pieces: its lines may end after each word."""
    return (Marked(word, style) if style else word for word in text.split())


def flowing(
    pieces: Iterable[Words], width: int | None, indent: str = "", continued: str = ""
) -> Iterator[Sequence[Words]]:
    """Lines of at most `width` columns, with a blank between two pieces. None: one line.

    The first line is indented by `indent`, the others by `continued`. A piece that is wider than a line has a
    line of its own.
    """
    line: list[Words] = [indent]
    taken, is_empty = width_of(indent), True
    for piece in pieces:
        wide = width_of(text_of(piece))
        if not is_empty and width is not None and taken + 1 + wide > width:
            yield line
            line, taken, is_empty = [continued], width_of(continued), True
        if not is_empty:
            line.append(" ")
            taken += 1
        line.append(piece)
        taken, is_empty = taken + wide, False
    if not is_empty:
        yield line
