"""What spreadsheets and data tools make of plates is refused by its cause; plates like it are taken."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anpr.vrm import VrmInvalid, VrmMangled, normalise

DAYS = st.dates(min_value=datetime.date(1990, 1, 1), max_value=datetime.date(2060, 1, 1))
DAY_FORMS = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%b",
    "%b-%y",
    "%d-%b-%y",
    "%d-%b-%Y",
    "%d %b",
    "%d %B %Y",
    "%d-%B",
    "%Y-%m-%d 00:00:00",
    "%Y-%m-%dT00:00:00Z",
    "%d/%m/%Y %H:%M",
)


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ("10-Mar", "date"),
        ("Mar-10", "date"),
        ("10-mar", "date"),
        ("10 Mar", "date"),
        ("10-Mar-26", "date"),
        ("10. M\u00e4r", "date"),
        ("10-mrt", "date"),
        ("10-MAR-2026", "date"),
        ("1-Sept", "date"),
        ("10\u2013Mar", "date"),
        ("2026-03-10", "date"),
        ("10/03/2026", "date"),
        ("3/10", "date"),
        ("10.03.2026", "date"),
        ("2026-03-10 00:00:00", "date"),
        ("04:10", "time"),
        ("00:00:00", "time"),
        ("123456.0", "fraction"),
        ("1.000.000", "fraction"),
        ("100000.0", "fraction"),
        ("46353.16", "fraction"),
        ("123456,00", "fraction"),
        ("123,456", "fraction"),
        ("123456.000000", "fraction"),
        ("1E+05", "exponent"),
        ("1.00E+23", "exponent"),
        ("1e+05", "exponent"),
        ("1.0E23", "exponent"),
        ("1,00E+23", "exponent"),
        ("1.5E-05", "exponent"),
        ("1e-05", "exponent"),
        ("12E+5", "exponent"),
        ("#N/A", "error value"),
        ("#REF!", "error value"),
        ("#NAME?", "error value"),
        ("#DIV/0!", "error value"),
        ("#NV", "error value"),
        ("########", "too narrow"),
        ("nan", "missing"),
        ("NaN", "missing"),
        ("NaT", "missing"),
        ("<NA>", "missing"),
        ("\\N", "missing"),
        ("inf", "missing"),
        ("True", "true or false"),
        ("false", "true or false"),
        ("  10-Mar ", "date"),
        ("\u200e123456.0", "fraction"),
    ],
)
def test_mangled_values_are_named(written: str, cause: str) -> None:
    with pytest.raises(VrmMangled) as caught:
        normalise(written)
    assert cause in str(caught.value)
    assert len(written) < 6 or written.strip() not in str(caught.value)
    assert isinstance(caught.value, VrmInvalid)


@pytest.mark.parametrize(
    ("written", "vrm"),
    [
        ("10 MAR", "10MAR"),
        ("MAR 10", "MAR10"),
        ("10MAR", "10MAR"),
        ("10-MAR", "10MAR"),
        ("MAR-10", "MAR10"),
        ("10 mar", "10MAR"),
        ("mar 10", "MAR10"),
        ("123456", "123456"),
        ("12345", "12345"),
        ("1E05", "1E05"),
        ("1E5", "1E5"),
        ("2E-1234", "2E1234"),
        ("34E-12", "34E12"),
        ("M-AR 123", "MAR123"),
        ("B-NO 1334", "BNO1334"),
        ("1-JAN", "1JAN"),
        ("10 MAR 26", "10MAR26"),
        ("20260310", "20260310"),
        ("12-34-AB", "1234AB"),
        ("AB.12.CDE", "AB12CDE"),
        ("ZH 123.456", "ZH123456"),
        ("76 12 345", "7612345"),
        ("0-17-45", "01745"),
        ("123 D 456", "123D456"),
        ("DEC 1E", "DEC1E"),
        ("OCT-1234", "OCT1234"),
        ("10-MAR-2", "10MAR2"),
        ("MAY 1", "MAY1"),
        ("1 MAY", "1MAY"),
    ],
)
def test_plates_that_look_alike_are_taken(written: str, vrm: str) -> None:
    assert normalise(written) == vrm


@given(DAYS, st.sampled_from(DAY_FORMS))
def test_every_day_a_tool_writes_is_refused(day: datetime.date, form: str) -> None:
    with pytest.raises(VrmMangled):
        normalise(day.strftime(form))


@given(st.integers(0, 10**12), st.sampled_from(["{}.0", "{}.00", "{}.5", "{:.2f}"]))
def test_every_number_with_a_fraction_is_refused(number: int, form: str) -> None:
    with pytest.raises(VrmMangled):
        normalise(form.format(number))


@given(st.floats(min_value=1.0, max_value=1e300), st.sampled_from(["{:.2E}", "{:.0E}", "{:e}", "{:.5e}"]))
def test_every_number_with_an_exponent_is_refused(number: float, form: str) -> None:
    with pytest.raises(VrmMangled):
        normalise(form.format(number))


@given(st.integers(0, 999_999_999_999))
def test_a_plain_number_is_a_plate(number: int) -> None:
    assert normalise(str(number)) == str(number)


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ -", max_size=12))
def test_capitals_are_refused_only_as_dates_of_digits_or_years(text: str) -> None:
    assume(any(map(str.isalpha, text)) and not text.endswith(tuple("0123456789")))
    assume(text.strip(" -") == text)
    try:
        normalise(text)
    except VrmMangled:
        pytest.fail("capitals, digits, blanks and dashes that end with a letter are a plate")


def test_exponents_of_a_single_digit_are_the_only_capitals() -> None:
    with pytest.raises(VrmMangled):
        normalise("1E-05")
    assert normalise("12E-05") == "12E05"
