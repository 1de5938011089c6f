"""The vehicle registration mark (VRM) and its one written form: 1 to 12 of A-Z and 0-9."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from anpr.latin import in_latin
from anpr.mangled import cause_of_mangling

LONGEST: Final = 12
"""Most characters a normalised VRM has."""

_LONGEST_WRITTEN: Final = 1_000
_WILDCARDS: Final = frozenset("*?%_")
_DROPPED: Final = str.maketrans("", "", "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f .-")


class VrmEmpty(ValueError):  # noqa: N818
    """The VRM is empty after blanks, dots and dashes are removed."""


class VrmInvalid(ValueError):  # noqa: N818
    """The text cannot be a VRM. The message says what is odd, and never shows the text."""


class VrmMangled(VrmInvalid):
    """The text is what a spreadsheet or data tool made of a VRM. The message names the likely cause."""


def normalise(text: str) -> str:
    """The written form of a VRM: letters folded to A-Z and upper case; blanks, dots and dashes removed.

    Raises VrmEmpty, VrmInvalid or VrmMangled. Letters of other scripts are refused, because a guess would
    name another vehicle. docs/decisions/0015 has the rule and its reasons.
    """
    if is_normal(text):
        return text
    if len(text) > _LONGEST_WRITTEN:
        raise VrmInvalid(f"the VRM has more than {LONGEST} characters")
    written = in_latin(text)
    if (cause := cause_of_mangling(written)) is not None:
        raise VrmMangled(cause)
    kept = written.translate(_DROPPED)
    if not kept:
        raise VrmEmpty("nothing is left of the VRM without blanks, dots and dashes")
    if not (kept.isascii() and kept.isalnum()):
        raise VrmInvalid(_oddity(kept))
    if len(kept) > LONGEST:
        raise VrmInvalid(f"the VRM has more than {LONGEST} characters")
    return kept.upper()


def is_normal(text: str) -> bool:
    """Whether `text` is a VRM in its written form already."""
    return len(text) <= LONGEST and text.isascii() and text.isalnum() and text.upper() == text


def all_normal(vrms: Sequence[str]) -> bool:
    """Whether every element is in written form; costs about 0.05 us an element. True when empty."""
    if not vrms:
        return True
    joined = "".join(vrms)
    if not (joined.isascii() and joined.isalnum() and joined.upper() == joined):
        return False
    lengths = [*map(len, vrms)]
    return min(lengths) > 0 and max(lengths) <= LONGEST


def _oddity(kept: str) -> str:
    """What is odd about a text with other characters than A-Z and 0-9, without showing them."""
    for character in kept:
        if character.isascii():
            continue
        if character.isalpha():
            return f"the VRM has letters that are not Latin{_script(character)}; write it with A-Z and 0-9"
        if character.isnumeric():
            return f"the VRM has digits that are not 0-9{_script(character)}; write it with A-Z and 0-9"
    if not _WILDCARDS.isdisjoint(kept):
        return f"the VRM has characters that stand for unread ones{_signs(kept)}; only whole plates are taken"
    return f"the VRM has characters other than letters, digits, blanks, dots and dashes{_signs(kept)}"


def _signs(kept: str) -> str:
    """The signs in a text that can be shown, such as " (* /)"."""
    signs = dict.fromkeys(
        each for each in kept if each.isascii() and each.isprintable() and not each.isalnum()
    )
    return f" ({' '.join(signs)})" if signs else ""


def _script(character: str) -> str:
    """The script of a character as Unicode names it, such as " (Cyrillic)"."""
    name = unicodedata.name(character, "")
    return f" ({name.split()[0].capitalize()})" if name else ""
