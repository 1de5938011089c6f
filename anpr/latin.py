"""Folds the letters of a text to A-Z, so that one plate has one spelling. Blanks, dots and dashes stay."""

from __future__ import annotations

import unicodedata
from typing import Final

EXTRA_LETTERS: Final = {
    "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "Ł": "L", "ł": "l",
    "Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Þ": "TH", "þ": "th", "ẞ": "SS", "ß": "ss", "ı": "i",
}  # fmt: skip
"""Latin letters that Unicode does not take apart into a letter and a mark."""

_DOTS: Final = frozenset("·•‧∙⋅・。")
_MINUS: Final = "−"


def in_latin(text: str) -> str:
    """The text with accents, compatibility forms and invisible characters folded.

    Each kind of blank becomes a blank, each dot a ".", each dash a "-". Letters of other scripts stay.
    """
    if text.isascii():
        return text
    return "".join(map(_folded, unicodedata.normalize("NFKD", text)))


def _folded(character: str) -> str:
    if character.isascii():
        return character
    if (letters := EXTRA_LETTERS.get(character)) is not None:
        return letters
    if character.isspace():
        return " "
    if character in _DOTS:
        return "."
    category = unicodedata.category(character)
    if category == "Pd" or character == _MINUS:
        return "-"
    return "" if category[0] == "M" or category == "Cf" else character
