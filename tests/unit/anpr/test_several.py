"""A cell with more in it than one plate is told from a plate with blanks."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anpr.formats import FORMS
from anpr.plate import Plate, understand
from anpr.several import are_words, holds_more_than_a_plate

plates = st.one_of([st.from_regex(f"(?:{forms})", fullmatch=True) for forms in FORMS.values()]).filter(
    str.isascii
)


@pytest.mark.parametrize(
    "written",
    [
        "AB12CDE (stolen)",
        "AB12CDE / XY34ZZZ",
        "AB12CDE & XY34ZZZ",
        "AB12CDE or AB12CDF",
        "AB12CDE,AB13CDE",
        "AB12CDE; AB13CDE; AB14CDE",
        "AB12CDE - stolen",
        "AB12CDE-Ford",
        "AB12CDE x2",
        "AB12 CDE Ford",
        "CAR AB12CDE",
        "Reg: AB12CDE",
        "12ABC3 45DEF6",
        "12ABC3\n45DEF6",
        "12345 stolen",
        "ＡＢ１２ＣＤＥ stolen",
    ],
)
def test_a_second_plate_and_words_are_noticed(written: str) -> None:
    assert holds_more_than_a_plate(written)


@pytest.mark.parametrize(
    "written",
    [
        "AB12 CDE",
        "AB 12 C DE",
        "(AB12CDE)",
        "AB12CDE;",
        "101 D 101",
        "12-D-34567",
        "51F-123.45",  # Vietnam
        "12-ABCD",
        "A 123 BC 77",  # Russia, whose forms are not in the table
        "1234 AB-7",  # Belarus
        "MH 12 ABC 1234",  # India
        "ABC 1234 TX",
        "12345 116 16",  # Algeria
        "01 123 ABC",  # Uzbekistan
        "",
        "/",
    ],
)
def test_a_plate_with_blanks_is_one_plate(written: str) -> None:
    assert not holds_more_than_a_plate(written)


GAPS = (" ", "  ", "-", " - ", "\u2013", "\xa0")


@st.composite
def grouped(draw: st.DrawFn) -> tuple[str, str]:
    """A plate of some country, and its letters and digits in groups, also with a gap inside: M-AB 1234."""
    plate = draw(plates)
    written = ""
    for group in re.findall(r"[A-Z]+|\d+", plate):
        written += draw(st.sampled_from(GAPS)) if written else ""
        at = draw(st.integers(0, len(group) - 1))
        # Digits with a dash between may be what a spreadsheet made of a date.
        gap = draw(st.sampled_from(GAPS if group.isalpha() else (" ",))) if at else ""
        written += f"{group[:at]}{gap}{group[at:]}"
    return plate, written


@settings(max_examples=200)
@given(grouped(), st.booleans())
def test_a_plate_in_groups_is_one_plate(plate: tuple[str, str], small: bool) -> None:
    vrm, written = plate
    assert not holds_more_than_a_plate(written.lower() if small else written)
    assert understand(written.lower() if small else written, frozenset()) == Plate(vrm, "")


@given(
    st.from_regex("[A-Z]{2}[0-9]{2}[A-Z]{3}", fullmatch=True),
    st.sampled_from(["stolen", "Ford", "(blue)"]),
)
def test_a_word_behind_a_plate_is_noticed(plate: str, word: str) -> None:
    assert holds_more_than_a_plate(f"{plate} {word}")


@pytest.mark.parametrize(
    ("vrm", "written", "told"),
    [
        ("FORDTRANSIT", "Ford Transit", True),
        ("WHITEVAN", "white van", True),
        ("SEEREASON", "SEEREASON", True),
        ("WHITEVAN", "WHITEVAN", False),  # a plate of eight letters, as some states of the USA give them
        ("VOLVO", "VOLVO", False),
        ("MAB1234", "M AB 1234", False),
    ],
)
def test_words_alone_are_noticed(vrm: str, written: str, *, told: bool) -> None:
    assert are_words(vrm, written) is told
