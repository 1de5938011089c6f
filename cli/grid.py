"""Lays rows out under headings: which columns fit a terminal, and how wide each becomes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from cli.inert import folded, inert, width_of

GAP: Final = 2
_EMPTY: Final = frozenset({"", "-"})


@dataclass(frozen=True)
class Marked:
    """A text with a style of `cli.output.STYLES`."""

    text: str
    style: str = ""


Words: TypeAlias = str | Marked


@dataclass(frozen=True)
class Column:
    """A column of a table.

    `least`: the column holds free text, which may be broken between words, down to this width. 0: it holds a
    plate, a time, an id or a number, and is never broken.
    `rank`: where not all columns fit, the one of the highest rank is left out first. 0: it is always shown.
    """

    name: str
    right: bool = False
    least: int = 0
    rank: int = 0


@dataclass(frozen=True)
class Grid:
    """The columns that are shown with their widths, and the names of those that are not.

    No columns: not even those that are always shown fit beside each other.
    """

    shown: Sequence[int]
    widths: Sequence[int]
    left_out: Sequence[str]


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[Words]], width: int | None) -> Grid:
    """Choose columns for `width` columns of a terminal. None: as wide as the rows are."""
    natural = [
        max(width_of(column.name), *(width_of(text_of(row[place])) for row in rows))
        for place, column in enumerate(columns)
    ]
    if width is None:
        return Grid(range(len(columns)), natural, ())
    least = [min(natural[place], column.least or natural[place]) for place, column in enumerate(columns)]
    kept = _kept(columns, rows, least, width)
    if _taken(kept, least) > width:
        return Grid((), (), ())
    left_out = [column.name for place, column in enumerate(columns) if place not in kept]
    return Grid(kept, _widened(kept, least, natural, width), left_out)


def lines(columns: Sequence[Column], row: Sequence[Words], grid: Grid) -> Iterator[list[Marked]]:
    """A row as lines of padded cells."""
    cells = [
        _cell(columns[place], row[place], width) for place, width in zip(grid.shown, grid.widths, strict=True)
    ]
    for number in range(max(map(len, cells))):
        yield [
            cell[number] if number < len(cell) else Marked(" " * width)
            for cell, width in zip(cells, grid.widths, strict=True)
        ]


def text_of(words: Words) -> str:
    """The text of a cell, harmless for a terminal."""
    return inert(words if isinstance(words, str) else words.text)


def _kept(
    columns: Sequence[Column], rows: Sequence[Sequence[Words]], least: Sequence[int], width: int
) -> list[int]:
    """Leave columns out until the others fit. One that says something and then fits is taken back."""
    kept, removed = list(range(len(columns))), list[int]()
    for place in _least_wanted_first(columns, rows):
        if _taken(kept, least) <= width:
            break
        kept.remove(place)
        removed.append(place)
    for place in reversed(removed):
        if not _is_silent(place, rows) and _taken([*kept, place], least) <= width:
            kept.append(place)
    return sorted(kept)


def _least_wanted_first(columns: Sequence[Column], rows: Sequence[Sequence[Words]]) -> list[int]:
    """The places that may be left out: first those that say nothing, then by rank, from the right."""
    optional = [place for place, column in enumerate(columns) if column.rank]
    silent = {place for place in optional if _is_silent(place, rows)}
    return sorted(optional, key=lambda place: (place not in silent, -columns[place].rank, -place))


def _is_silent(place: int, rows: Sequence[Sequence[Words]]) -> bool:
    return all(text_of(row[place]) in _EMPTY for row in rows)


def _taken(kept: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[place] for place in kept) + GAP * (len(kept) - 1)


def _widened(kept: Sequence[int], least: Sequence[int], natural: Sequence[int], width: int) -> list[int]:
    """Share what is left of the line among the columns of free text, the narrowest first."""
    widths, spare = [least[place] for place in kept], width - _taken(kept, least)
    wanting = [number for number, place in enumerate(kept) if least[place] < natural[place]]
    for done, number in enumerate(sorted(wanting, key=lambda one: natural[kept[one]])):
        more = min(natural[kept[number]] - widths[number], spare // (len(wanting) - done))
        widths[number] += more
        spare -= more
    return widths


def _cell(column: Column, words: Words, width: int) -> list[Marked]:
    style = "" if isinstance(words, str) else words.style
    text = text_of(words)
    found = [text] if width_of(text) <= width else list(folded(text, width))
    return [_padded(line, style, width, right=column.right) for line in found]


def _padded(text: str, style: str, width: int, *, right: bool) -> Marked:
    blanks = " " * (width - width_of(text))
    return Marked(blanks + text if right else text + blanks, style)
