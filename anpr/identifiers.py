"""Names that vendors and engineers give to cameras, feeds and reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from anpr.mangled import cause_of_mangling

LONGEST_READ_ID: Final = 128
"""Most characters a read_id has."""

_NO_NAMES: Final = frozenset(
    {"none", "null", "nil", "nan", "na", "n.a.", "unknown", "undefined", "true", "false"}
)
_ERROR_VALUE: Final = re.compile(r"#(?:N/A|NAME\?|REF!|VALUE!|DIV/0!|NUM!|NULL!)|#{3,}")
# Sites and addresses are numbered like this: 12-03-01, 1.2, 10.0.0.12.
_NUMBERED: Final = re.compile(r"[\d.-]+")
_MANGLED_NUMBER: Final = re.compile(r"\d+\.0+|\d{4}-\d\d-\d\d")
_SIGNS: Final = {" ": "blank", "\t": "tab"}
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def is_camera_id(text: str) -> bool:
    """Whether `text` names a camera: 1 to 64 of letters, digits, dot, dash, underscore (ASCII)."""
    return _NAME.fullmatch(text) is not None


def signs_in_id(text: str) -> str:
    """The characters of a text that no id has, named: a blank or a long dash looks right on a screen."""
    odd = dict.fromkeys(each for each in text if not (each.isascii() and (each.isalnum() or each in "._-")))
    return ", ".join(
        _SIGNS.get(each) or unicodedata.name(each, "a control character").lower() for each in odd
    )


def oddity_of_id(text: str) -> str | None:
    """What is wrong with the id of a camera or feed, in one sentence; None when nothing is.

    A tool makes ids such as `1.0` or `10-Mar`; nobody chooses them.
    """
    if text.lower() in _NO_NAMES:
        return "this is a word for a missing value, and no id"
    if _NUMBERED.fullmatch(text) and not _MANGLED_NUMBER.fullmatch(text):
        return None
    return cause_of_mangling(text)


def oddity_of_name(text: str) -> str | None:
    """What is wrong with the name of a camera, in one sentence; None when nothing is. It may be empty."""
    if text.strip().lower() in _NO_NAMES or _ERROR_VALUE.fullmatch(text.strip()):
        return "this is a word for a missing value or a spreadsheet's error, and no name; leave it out"
    return None


def is_feed(text: str) -> bool:
    """Whether `text` names a feed; the rule is that of cameras."""
    return _NAME.fullmatch(text) is not None


def is_read_id(text: str) -> bool:
    """Whether `text` can identify a read: 1 to 128 printable characters of any script."""
    return 0 < len(text) <= LONGEST_READ_ID and text.isprintable()


def all_read_ids(texts: Sequence[str]) -> bool:
    """Whether every element can identify a read; costs about 0.05 us an element. True when empty."""
    if not texts:
        return True
    lengths = [*map(len, texts)]
    return min(lengths) > 0 and max(lengths) <= LONGEST_READ_ID and "".join(texts).isprintable()
