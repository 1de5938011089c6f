"""VRM normalisation: one written form, found from whatever a camera writes."""

from __future__ import annotations

import string
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr.vrm import VrmEmpty, VrmInvalid, all_normal, is_normal, normalise

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
    ],
)
def test_normalise(written: str, meant: str) -> None:
    assert normalise(written) == meant


@pytest.mark.parametrize("written", ["", " ", "-.-", "\u2003\ufeff"])
def test_nothing_left(written: str) -> None:
    with pytest.raises(VrmEmpty):
        normalise(written)


@pytest.mark.parametrize(
    "written", ["AB12CDE*", "1234567890123", "GRÜN1", "ſ1", "ß", "Ａ1", "١٢", "A\0B", "AB_1"]
)
def test_not_a_plate(written: str) -> None:
    with pytest.raises(VrmInvalid) as caught:
        normalise(written)
    assert written not in str(caught.value)


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
        assert normalise(written + rest) == plain


def test_every_unicode_space_and_dash_is_dropped() -> None:
    spaces = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    assert normalise("A" + "".join(spaces) + "1") == "A1"
    assert normalise("A\u2010\u2011\u2012\u2013\u2014\u2015\u2212-1") == "A1"
    assert all(unicodedata.category(space) in {"Zs", "Zl", "Zp", "Cc"} for space in spaces)


@given(st.lists(st.one_of(normal, st.text(max_size=14)), max_size=20))
def test_bulk_check_agrees_with_single(vrms: list[str]) -> None:
    assert all_normal(vrms) == all(map(is_normal, vrms))


@given(st.lists(normal, max_size=20))
def test_bulk_check_passes_normal(vrms: list[str]) -> None:
    assert all_normal(vrms)
