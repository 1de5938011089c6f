"""Understands what a camera, a list or a person wrote for a plate: the VRM, and the country beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from anpr.country import BRACKETED_CODES, LONG_CODES, SHORT_CODES
from anpr.formats import is_plate_of, is_plate_of_any
from anpr.latin import in_latin
from anpr.not_read import USUAL_WORDS, VrmNotRead, as_word, is_not_read
from anpr.vrm import VrmEmpty, VrmInvalid, VrmMangled, all_normal, is_normal, normalise

_LEAST_BESIDE_CODE: Final = 4
_LONGEST_WITH_CODE: Final = 60
# Two groups of capitals and digits with a blank between: the most frequent form that is not normal.
_IN_TWO_GROUPS: Final = re.compile(r"[A-Z0-9]{1,4} [A-Z0-9]{1,4}")
_PLAIN: Final = re.compile(r"(?:[A-Z0-9]{1,4} [A-Z0-9]{1,4}\n|[A-Z0-9]{1,12}\n)*")
_CODE: Final = r"[A-Za-z]{1,3}"
_BRACKETED: Final = re.compile(
    rf"(?P<rest>.*?)\s*[-/]?\s*[(\[{{]\s*(?P<last>{_CODE})\s*[)\]}}]"
    rf"|[(\[{{]\s*(?P<first>{_CODE})\s*[)\]}}]\s*[-/]?\s*(?P<other>.*)",
    re.DOTALL,
)
_BESIDE: Final = re.compile(r"(?P<rest>.+?)\s*(?P<gap>[-/_|:; ])\s*(?P<last>[A-Za-z]{2,3})", re.DOTALL)
_BEFORE: Final = re.compile(r"(?P<first>[A-Za-z]{2,3})\s*(?P<gap>[-/_|:; ])\s*(?P<other>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Plate:
    """A normalised VRM, and the ISO 3166-1 alpha-2 code of the country that was written beside it, or ""."""

    vrm: str
    country: str


def understand(text: str, words: frozenset[str] = USUAL_WORDS) -> Plate:
    """The plate that a text means. A country that is unambiguously written beside it is split off.

    `words`, in the form of `as_word`, stand for a plate that was not read. Raises VrmNotRead for them, and
    VrmEmpty, VrmInvalid or VrmMangled as `normalise` does.
    """
    if is_normal(text):
        vrm, country = text, ""
    elif _IN_TWO_GROUPS.fullmatch(text):
        vrm, country = text.replace(" ", ""), ""
    else:
        vrm, country = _taken_apart(text, words)
    if vrm in words:
        raise VrmNotRead
    return Plate(vrm, country)


def plain_vrms(texts: Sequence[str], words: frozenset[str] = USUAL_WORDS) -> Sequence[str] | None:
    """The VRMs of many texts, when each is a plain plate; None when one has to be understood by itself.

    The same answers as `understand` gives, at a tenth of the cost.
    """
    if all_normal(texts):
        vrms = texts
    else:
        joined = "\n".join((*texts, ""))
        if joined.count("\n") != len(texts) or not _PLAIN.fullmatch(joined):
            return None
        vrms = joined.replace(" ", "").splitlines()
    return vrms if words.isdisjoint(vrms) else None


def _taken_apart(text: str, words: frozenset[str]) -> tuple[str, str]:
    rest, country = text, ""
    if len(text) <= _LONGEST_WITH_CODE:
        rest, country = _split(in_latin(text).strip(), words)
    try:
        return normalise(rest), country
    except (VrmMangled, VrmEmpty):
        raise
    except VrmInvalid:
        if is_not_read(rest, words):
            raise VrmNotRead from None
        raise


def _split(written: str, words: frozenset[str]) -> tuple[str, str]:
    """The plate and the country written beside it. The whole and "" when that is not certain."""
    found = _BRACKETED.fullmatch(written)
    if found is not None:
        code, rest = found["last"] or found["first"], found["rest"] or found["other"]
        country = BRACKETED_CODES.get(code.upper(), "")
        return (rest, country) if country and rest else (written, "")
    for form, code_group, rest_group in ((_BESIDE, "last", "rest"), (_BEFORE, "first", "other")):
        found = form.fullmatch(written)
        if found is not None:
            code, gap, rest = found[code_group].upper(), found["gap"], found[rest_group]
            country = _certain_country(written, code, gap, rest, words)
            if country:
                return rest, country
    return written, ""


def _certain_country(written: str, code: str, gap: str, rest: str, words: frozenset[str]) -> str:
    """The country of a code beside a plate; "" when the code may be a part of the plate.

    A code of two letters has to name a country of whose plates the rest is one. Beside one of three letters
    and a blank, the rest has to be a plate of any country.
    """
    country = LONG_CODES.get(code) or SHORT_CODES.get(code) or ""
    if not country:
        return ""
    kept = as_word(rest)
    if kept in words:
        return country
    if len(kept) < _LEAST_BESIDE_CODE or not any(map(str.isdigit, kept)):
        return ""
    if gap in "- " and is_plate_of_any(as_word(written)):
        return ""
    return country if _is_no_part(code, country, gap, kept) else ""


def _is_no_part(code: str, country: str, gap: str, kept: str) -> bool:
    """Whether a code cannot be a part of the plate beside it, when both together are no known plate."""
    if gap not in "- " or is_plate_of(country, kept):
        return True
    return len(code) == 3 and (gap == "-" or is_plate_of_any(kept))
