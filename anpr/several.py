"""Recognises a cell with more in it than one plate: a second plate, or words beside the plate.

Blanks are no part of a VRM, so that `AB12 CDE car` would become another vehicle's plate.
Lists and files are asked; cameras write no such texts.
"""

from __future__ import annotations

import re
from typing import Final

from anpr.formats import is_plate_of_any
from anpr.latin import in_latin

MORE_THAN_A_PLATE: Final = (
    "the cell has more than one plate in it, or words beside the plate: give each plate a line of its own, "
    "and words into a column of their own; if all of it is one plate, write it without blanks"
)
WORDS_ALONE: Final = "these are words and no plate: put them into a column of their own"
_LONGEST_OF_LETTERS: Final = 8
_LEAST: Final = 5
_LONGEST: Final = 200
_BETWEEN: Final = re.compile(r"[^A-Z0-9.\-]+")
# A dash parts what belongs together, unless a word stands behind it.
_DASH_AND_WORD: Final = re.compile(r"-(?=[A-Z]{4,}$)")
_DROPPED: Final = str.maketrans("", "", ".-")
_JOINING: Final = frozenset(("OR", "AND", "UND", "OU", "ET", "EN"))
_LABELS: Final = frozenset(
    (
        "REG",
        "REGNO",
        "REGISTRATION",
        "VRM",
        "VRN",
        "PLATE",
        "INDEX",
        "CAR",
        "VAN",
        "LORRY",
        "TRUCK",
        "TRAILER",
        "BIKE",
        "VEHICLE",
        "NO",
    )
)
# "Ford", "stolen", "x2". Shorter words, and numbers, may be parts of a foreign plate.
_WORD_BEHIND: Final = re.compile(r"[A-Z]{3,}|X\d")
_SHORT_WORD: Final = 3


def holds_more_than_a_plate(written: str) -> bool:
    """Whether a text has a plate in it and, apart from it by a blank or sign, words or another plate."""
    if len(written) > _LONGEST or written.isalnum():
        return False
    text = _DASH_AND_WORD.sub(" ", in_latin(written).upper())
    parts = [part for each in _BETWEEN.split(text) if (part := each.translate(_DROPPED)) and part.isalnum()]
    if len(parts) < 2 or is_plate_of_any("".join(parts)):
        return False
    return any(_are_apart(parts[:at], parts[at:]) for at in range(1, len(parts)))


def are_words(vrm: str, written: str = "") -> bool:
    """Whether a VRM is one of words: more letters than a plate without digits has anywhere.

    `written`: how it was written; several words are shorter than the longest plates in letters.
    """
    longest = _LONGEST_OF_LETTERS - (" " in written)
    return len(vrm) > longest and vrm.isalpha()


def _are_apart(before: list[str], after: list[str]) -> bool:
    if _is_whole(before):
        rest = after[1:] if after[0] in _JOINING else after
        return _is_word_behind(after[0], before) or any(
            _is_whole(rest[:end]) and not _are_digits(before + rest[:end]) for end in range(1, len(rest) + 1)
        )
    return _is_whole(after) and before[-1] in _LABELS


def _is_word_behind(part: str, before: list[str]) -> bool:
    # `01 123 ABC` is a plate of Uzbekistan, although `01123` is one of Guernsey.
    if len(part) == _SHORT_WORD and _are_digits(before):
        return False
    return _WORD_BEHIND.fullmatch(part) is not None


def _are_digits(parts: list[str]) -> bool:
    return all(map(str.isdigit, parts))


def _is_whole(parts: list[str]) -> bool:
    text = "".join(parts)
    return len(text) >= _LEAST and is_plate_of_any(text)
