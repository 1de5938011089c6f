"""Words that cameras and people write for a plate that was not read. They are no plates."""

from __future__ import annotations

from typing import Final

from anpr.latin import in_latin

_USUAL: Final = """
    UNKNOWN UNK UNKN UNKNOWNPLATE UNKNOWNVRM UNKNOWNVEHICLE NOTKNOWN UNIDENTIFIED UNDETERMINED UNDEFINED
    UNRECOGNISED UNRECOGNIZED NOTRECOGNISED NOTRECOGNIZED
    NOPLATE NOPLATES NONUMBERPLATE NOLICENSEPLATE NOLICENCEPLATE NOPLATEFOUND NOPLATEREAD NOPLATEAVAILABLE
    NOPLATEDETECTED NOPLATEVISIBLE NOFRONTPLATE NOREARPLATE MISSINGPLATE PLATEMISSING WITHOUTPLATE
    NOVRM NOVRN NOREG NOREGISTRATION NONUMBER NORESULT NODATA NOMATCH NODETECTION
    NOREAD NOTREAD UNREAD UNREADABLE NOTREADABLE NONREADABLE NOTVISIBLE NOTFOUND NOTDETECTED UNDETECTED
    NOTAVAILABLE NOTAPPLICABLE NOTRECORDED NOTPROVIDED NOTGIVEN
    ILLEGIBLE OBSCURED COVERED MISREAD READERROR ERROR FAILED FAILURE INVALID MISSING BLANK EMPTY
    UNLICENSED UNLICENCED UNREGISTERED FOREIGN FOREIGNPLATE TRADEPLATE
    VARIOUS MULTIPLE NK NOTSTATED NOINDEX NOTRACE PLATEUNKNOWN VRMUNKNOWN VRMNOTKNOWN REGUNKNOWN UNKNOWNREG
    WITHHELD REDACTED SORN
    NONE NULL NIL NA NAN NOTANUMBER TRUE FALSE TBC TBA
    REG REGNO REGMARK REGNUMBER VEHICLEREG PLATENO PLATENUMBER PLATETEXT INDEXNO
    VRM VRN VRMS PLATE NUMBERPLATE LICENSEPLATE LICENCEPLATE REGISTRATION REGISTRATIONMARK TOTAL
    XXXX XXXXX XXXXXX XXXXXXX XXXXXXXX 0000 00000 000000 0000000 00000000
    UNBEKANNT INCONNU DESCONOCIDO SCONOSCIUTO ONBEKEND
"""
USUAL_WORDS: Final = frozenset(_USUAL.split())
"""The words of a force that has set none of its own, in the form of `as_word`."""


class VrmNotRead(ValueError):  # noqa: N818
    """The text is a word for a plate that was not read. The message never shows it."""

    def __init__(self) -> None:
        super().__init__("this is a word for a plate that was not read, and no plate")


def as_word(text: str) -> str:
    """The text as words are compared: only its letters and digits, folded to A-Z and upper case."""
    return "".join(filter(str.isalnum, in_latin(text))).upper()


def is_not_read(text: str, words: frozenset[str] = USUAL_WORDS) -> bool:
    """Whether a text stands for a plate that was not read: one of `words`, or only signs such as "???".

    `words` are in the form of `as_word`. An empty text is False.
    """
    if text in words:
        return True
    word = as_word(text)
    return word in words if word else any(map(_is_sign, text))


def _is_sign(character: str) -> bool:
    return character.isprintable() and character not in " .-"
