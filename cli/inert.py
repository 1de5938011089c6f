"""Makes text from outside harmless for a terminal, and measures how wide a terminal shows it."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_STANDS_FOR_ONE: Final = "\N{REPLACEMENT CHARACTER}"
_WIDE: Final = frozenset("WF")
_NO_WIDTH: Final = frozenset({"Mn", "Me"})
_WORD: Final = re.compile(r"\S+")


def inert(text: str) -> str:
    """The text on one line, without anything that a terminal obeys.

    Control characters, line breaks, characters that change the direction of writing and other invisible ones
    become U+FFFD. Blanks of any kind become a blank.
    """
    if text.isprintable():
        return text
    return "".join(map(_harmless, text))


def width_of(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_width_of_one, text))


def folded(text: str, width: int) -> Iterator[str]:
    """The text in lines of at most `width` columns, broken between words. A longer word is broken too.

    Lines are indented like the first one, as long as that leaves half of the width.
    """
    indent = text[: len(text) - len(text.lstrip())]
    if indent and 2 * len(indent) <= width:
        yield from (indent + line for line in folded(text.lstrip(), width - len(indent)))
        return
    line = ""
    for word in _WORD.findall(text):
        joined = f"{line} {word}" if line else word
        if width_of(joined) <= width:
            line = joined
            continue
        if line:
            yield line
        *full, line = _pieces(word, width)
        yield from full
    yield line


def _pieces(word: str, width: int) -> list[str]:
    pieces, piece, taken = [], "", 0
    for letter in word:
        more = _width_of_one(letter)
        if piece and taken + more > width:
            pieces.append(piece)
            piece, taken = "", 0
        piece, taken = piece + letter, taken + more
    return [*pieces, piece]


def _harmless(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if unicodedata.category(letter) == "Zs" or letter == "\t" else _STANDS_FOR_ONE


def _width_of_one(letter: str) -> int:
    if unicodedata.category(letter) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in _WIDE else 1
