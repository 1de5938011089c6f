"""VRM normalisation: one written form, found from whatever a camera writes."""

from __future__ import annotations

import string
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr.vrm import VrmEmpty, VrmInvalid, VrmMangled, all_normal, is_normal, normalise

normal = st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=12)
dropped = st.text(" .-\t\u00a0\u2009\u2013\u2011", max_size=3)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("AB12CDE", "AB12CDE"),
        ("ab12 cde", "AB12CDE"),
        (" AB-12.cde\n", "AB12CDE"),
        ("B\u00b7MW\u20132002", "BMW2002"),
        ("1", "1"),
        ("123456789012", "123456789012"),
        ("ab 12" + " " * 500, "AB12"),
        ("GR\u00dcN1", "GRUN1"),
        ("GRU\u0308N1", "GRUN1"),
        ("\u00c5\u00c4\u00d6 123", "AAO123"),
        ("\u00d8\u00c6 12345", "OAE12345"),
        ("\u0141\u00d3D\u0179 1", "LODZ1"),
        ("\u010cA\u017d 12\u0110", "CAZ12D"),
        ("stra\u00dfe1", "STRASSE1"),
        ("\uff21\uff22\uff11\uff12\u3000\uff23\uff24\uff25", "AB12CDE"),
        ("\u200eAB12 CDE\u202c", "AB12CDE"),
        ("AB12\u2060CDF", "AB12CDF"),
        ("A\u00adB\ufeff1\u200b2", "AB12"),
        ("\u0131\u01301", "II1"),
        ("\u017f1", "S1"),
    ],
)
def test_normalise(written: str, meant: str) -> None:
    assert normalise(written) == meant


@pytest.mark.parametrize("written", ["", " ", "-.-", "\u2003\ufeff"])
def test_nothing_left(written: str) -> None:
    with pytest.raises(VrmEmpty):
        normalise(written)


@pytest.mark.parametrize(
    "written",
    [
        "AB12CDE*",
        "1234567890123",
        "\u0661\u0662",
        "A\0B",
        "AB_1",
        "\u00bd",
        "\U0001f6971",
        "AB?1",
        "A" * 2_000_000,
    ],
)
def test_not_a_plate(written: str) -> None:
    with pytest.raises(VrmInvalid) as caught:
        normalise(written)
    assert written not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [("AB1?CDE", r"stand for unread ones \(\?\)"), ("(AB12CDE), X", r"\(\( \) ,\)"), ("#12", r"\(#\)")],
)
def test_odd_signs_are_shown(written: str, said: str) -> None:
    with pytest.raises(VrmInvalid, match=said):
        normalise(written)


@pytest.mark.parametrize(
    ("written", "script"),
    [
        ("\u0410\u0412 12 \u0421\u041e\u0415", "Cyrillic"),
        ("\u0391\u039212", "Greek"),
        ("\u5ddd12", "Cjk"),
        ("\u0661", "Arabic"),
    ],
)
def test_other_scripts_are_named(written: str, script: str) -> None:
    with pytest.raises(VrmInvalid, match=script) as caught:
        normalise(written)
    assert "not Latin" in str(caught.value) or "not 0-9" in str(caught.value)


@given(st.text("ABCxyz019\u00c4\u00e9\u0142\u00d8\u00df\uff21 -\u200e\u0308"))
def test_composed_and_decomposed_are_one_plate(text: str) -> None:
    meanings = set()
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        try:
            meanings.add(normalise(unicodedata.normalize(form, text)))
        except (VrmEmpty, VrmInvalid) as refusal:
            meanings.add(type(refusal).__name__)
    assert len(meanings) == 1


@given(st.text())
def test_result_is_normal_or_refused(text: str) -> None:
    try:
        result = normalise(text)
    except (VrmEmpty, VrmInvalid):
        return
    assert is_normal(result)
    assert set(result) <= set(string.ascii_uppercase + string.digits)
    assert 1 <= len(result) <= 12
    assert normalise(result) == result


@given(st.lists(st.tuples(normal, dropped)), st.randoms(use_true_random=False))
def test_blanks_and_case_do_not_matter(parts: list[tuple[str, str]], random: object) -> None:
    plain = "".join(letters for letters, _ in parts)[:12]
    written = "".join(letter.lower() + blank for letter, (_, blank) in zip(plain, parts, strict=False))
    rest = plain[len(parts) :]
    if plain:
        try:
            assert normalise(written + rest) == plain
        except VrmMangled:
            # Digits around a dot, or a month in small letters behind a dash: what a tool would write.
            assert set(written) & set("0123456789")
            assert set(written) - set(plain.lower())


def test_every_unicode_space_and_dash_is_dropped() -> None:
    spaces = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    assert normalise("A" + "".join(spaces) + "1") == "A1"
    dashes = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Pd"]
    assert normalise("A" + "".join(dashes) + "1") == "A1"
    assert normalise("A\u2010\u2011\u2012\u2013\u2014\u2015\u2212-1") == "A1"
    assert all(unicodedata.category(space) in {"Zs", "Zl", "Zp", "Cc"} for space in spaces)


@given(st.lists(st.one_of(normal, st.text(max_size=14)), max_size=20))
def test_bulk_check_agrees_with_single(vrms: list[str]) -> None:
    assert all_normal(vrms) == all(map(is_normal, vrms))


@given(st.lists(normal, max_size=20))
def test_bulk_check_passes_normal(vrms: list[str]) -> None:
    assert all_normal(vrms)
