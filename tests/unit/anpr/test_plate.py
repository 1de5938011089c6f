"""Plates as people, cameras and tools write them: understood, parted from a country, or refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anpr.country import BRACKETED_CODES, LONG_CODES, SHORT_CODES
from anpr.formats import FORMS, is_plate_of, is_plate_of_any
from anpr.not_read import USUAL_WORDS, VrmNotRead, as_word, is_not_read
from anpr.plate import Plate, plain_vrms, understand
from anpr.vrm import VrmEmpty, VrmInvalid, VrmMangled, is_normal, normalise

REFUSALS = (VrmEmpty, VrmInvalid, VrmNotRead)

plates = st.one_of([st.from_regex(f"(?:{forms})", fullmatch=True) for forms in FORMS.values()]).filter(
    is_normal
)


@st.composite
def written_plates(draw: st.DrawFn) -> tuple[str, str]:
    """A plate of some country, and the same with one separator between its groups of letters and digits."""
    plate = draw(plates)
    gap = draw(st.sampled_from(["", " ", "-", "\u2013", "\u00b7"]))
    return plate, gap.join(re.findall(r"[A-Z]+|\d+", plate))


@pytest.mark.parametrize(
    ("written", "vrm", "country"),
    [
        ("CS31 AAA-GBR", "CS31AAA", "GB"),
        ("CS31 AAA (GB)", "CS31AAA", "GB"),
        ("GB-CS31AAA", "CS31AAA", "GB"),
        ("AB12CDE-GBR", "AB12CDE", "GB"),
        ("AB12 CDE (NLD)", "AB12CDE", "NL"),
        ("ab12 cde (gbr)", "AB12CDE", "GB"),
        ("AB12CDE [UK]", "AB12CDE", "GB"),
        ("(D) B-NO 1334", "BNO1334", "DE"),
        ("B-NO 1334 (D)", "BNO1334", "DE"),
        ("B-NO 1334-DEU", "BNO1334", "DE"),
        ("NL-AB-12-CD", "AB12CD", "NL"),
        ("AB-123-CD-FR", "AB123CD", "FR"),
        ("AB12CDE GBR", "AB12CDE", "GB"),
        ("AB12 CDE IRL", "AB12CDE", "IE"),
        ("AB12CDE NLD", "AB12CDE", "NL"),
        ("AB12CDE_GBR", "AB12CDE", "GB"),
        ("AB123CD/FRA", "AB123CD", "FR"),
        ("12345 (GBG)", "12345", "GG"),
        ("12345 GBG", "12345", "GG"),
        ("12345-GBG", "12345", "GG"),
        ("10MAR (MAR)", "10MAR", "MA"),
        ("PL-WI 12345", "WI12345", "PL"),
        ("IRL-12-D-1234", "12D1234", "IE"),
        ("\uff08NLD\uff09 12-AB-CD", "12ABCD", "NL"),
    ],
)
def test_a_country_beside_the_plate_is_split_off(written: str, vrm: str, country: str) -> None:
    assert understand(written) == Plate(vrm, country)


@pytest.mark.parametrize(
    ("written", "vrm"),
    [
        ("AB12-GBR", "AB12GBR"),
        ("AB12-USA", "AB12USA"),
        ("10-MAR", "10MAR"),
        ("M-AR 123", "MAR123"),
        ("B-NO 1334", "BNO1334"),
        ("D-AB 123", "DAB123"),
        ("DE-AB 123", "DEAB123"),
        ("SE-AB 123", "SEAB123"),
        ("12-AB-GB", "12ABGB"),
        ("GB-123-AB", "GB123AB"),
        ("AB-123-IT", "AB123IT"),
        ("CJ-12-FRA", "CJ12FRA"),
        ("FIN-123", "FIN123"),
        ("MAR-1234", "MAR1234"),
        ("1234 NLD", "1234NLD"),
        ("0-17-45", "01745"),
        ("1-ABC-234", "1ABC234"),
        ("34E-1234", "34E1234"),
    ],
)
def test_letters_of_a_plate_are_no_country(written: str, vrm: str) -> None:
    assert understand(written) == Plate(vrm, "")


@pytest.mark.parametrize("written", ["AB12CDE (XQ)", "AB12CDE (GBRX)", "AB12CDE/XYZ", "(GB)", "AB12CDE/Q"])
def test_brackets_and_strokes_without_a_country_are_no_plate(written: str) -> None:
    with pytest.raises(VrmInvalid):
        understand(written)


@given(written_plates())
def test_a_plate_of_any_country_stays_itself(plate: tuple[str, str]) -> None:
    vrm, written = plate
    assert normalise(written) == vrm
    assert understand(written, frozenset()) == Plate(vrm, "")


@given(plates, st.sampled_from(sorted(BRACKETED_CODES)), st.booleans())
def test_brackets_always_split(vrm: str, code: str, before: bool) -> None:
    written = f"({code}) {vrm}" if before else f"{vrm} ({code})"
    assert understand(written, frozenset()) == Plate(vrm, BRACKETED_CODES[code])


@given(plates, st.sampled_from(sorted(LONG_CODES | SHORT_CODES)), st.sampled_from("- "), st.booleans())
def test_a_code_is_split_off_whole_or_not_at_all(vrm: str, code: str, gap: str, before: bool) -> None:
    assume(len(code + vrm) <= 12)
    joined, written = (code + vrm, code + gap + vrm) if before else (vrm + code, vrm + gap + code)
    try:
        plate = understand(written, frozenset())
    except VrmMangled:
        return
    assert plate in (Plate(vrm, (LONG_CODES | SHORT_CODES)[code]), Plate(joined, ""))
    if is_plate_of_any(joined):
        assert plate == Plate(joined, "")
    elif gap == "-" and is_plate_of(plate.country, vrm):
        assert plate.vrm == vrm


@given(st.one_of(st.text(max_size=30), st.text("AB12- ().GRNLD#:/eE+", max_size=16)))
def test_understanding_twice_changes_nothing(text: str) -> None:
    try:
        plate = understand(text)
    except REFUSALS:
        return
    assert is_normal(plate.vrm)
    assert understand(plate.vrm) == Plate(plate.vrm, "")
    assert plate.country == "" or re.fullmatch("[A-Z]{2}", plate.country)


@given(st.one_of(st.text(max_size=30), st.text("AB12- .\u00c4\u00e4\u00df\uff21\u200e", max_size=16)))
def test_without_country_it_is_normalisation(text: str) -> None:
    try:
        plate = understand(text, frozenset())
    except REFUSALS:
        return
    if not plate.country:
        assert plate.vrm == normalise(text)


@pytest.mark.parametrize(
    "written",
    [
        "UNKNOWN",
        "unknown",
        "NOPLATE",
        "no plate",
        "No-Plate",
        "NONE",
        "UNLICENSED",
        "N/A",
        "n.a.",
        "???",
        "*****",
        "NULL",
        "UNREADABLE",
        "NO PLATE AVAILABLE",
        "UNKNOWN (GB)",
        "UNKNOWN-GBR",
        "\uff35NKNOWN",
        "XXXXXXX",
        "TRUE",
        "VRM",
        "Total",
    ],
)
def test_words_are_no_plates(written: str) -> None:
    with pytest.raises(VrmNotRead) as caught:
        understand(written)
    assert str(caught.value) == str(VrmNotRead())
    assert is_not_read(written) or "(" in written or "-GBR" in written


def test_a_force_has_words_of_its_own() -> None:
    own = frozenset({"TAXI"})
    with pytest.raises(VrmNotRead):
        understand("Ta xi", own)
    assert understand("UNKNOWN", own) == Plate("UNKNOWN", "")
    assert not is_not_read("UNKNOWN", own)


def test_usual_words_are_written_as_they_are_compared() -> None:
    assert {as_word(word) for word in USUAL_WORDS} == USUAL_WORDS


@given(plates)
def test_no_usual_word_is_a_plate_of_a_country_with_letters_and_digits(vrm: str) -> None:
    assume(not vrm.isdigit())
    assert not is_not_read(vrm)


@pytest.mark.parametrize("text", ["", " ", "-", "AB12CDE", "10 MAR", "B-NO 1334"])
def test_what_is_no_word(text: str) -> None:
    assert not is_not_read(text)


def test_a_long_text_costs_little() -> None:
    with pytest.raises(VrmInvalid):
        understand("(" * 100_000 + "\u00e4")


@pytest.mark.parametrize(
    "odd", ["ab12cde", "", "AB\nCD", "AB12 CDE-GBR", "UNKNOWN", "10-Mar", "ABCDEFGHIJKLM", "É"]
)
def test_many_plain_plates_are_understood_as_each_is_and_others_one_by_one(odd: str) -> None:
    plain = ["AB12CDE", "AB12 CDE", "1 A", "ABCDEFGHIJKL"]
    assert plain_vrms(plain) == [understand(text).vrm for text in plain]
    assert plain_vrms([*plain, odd]) is None
    assert plain_vrms([odd]) is None
