"""Plates have the real formats in the real mix, and misreads are such as cameras make."""

import re
from collections import Counter
from random import Random

import pytest

from simulators.cameras.plates import Plate, draw_plate, misread

_FORMATS = {
    "current": r"[A-Z]{2}\d{2}[A-Z]{3}",
    "prefix": r"[A-Y]\d{1,3}[A-Z]{3}",
    "suffix": r"[A-Z]{3}\d{1,3}[A-Y]",
    "dateless": r"[A-Z]{3}\d{2,3}|\d{3,4}[A-Z]{2}",
    "northern irish": r"[A-Z]{3}\d{4}",
}


@pytest.fixture(scope="module")
def plates() -> list[Plate]:
    rng = Random(3)
    return [draw_plate(rng) for _ in range(30_000)]


def test_the_mix_is_that_of_a_british_road(plates: list[Plate]) -> None:
    countries = Counter(plate.country for plate in plates)
    assert 0.03 < 1 - countries["GB"] / len(plates) < 0.05
    assert set(countries) == {"GB", "FR", "DE", "NL", "PL", "RO", "IE", "LT", "BE"}
    current = sum(
        bool(re.fullmatch(_FORMATS["current"], plate.vrm)) for plate in plates if plate.country == "GB"
    )
    assert 0.82 < current / len(plates) < 0.89


def test_every_british_plate_has_a_format_of_its_time(plates: list[Plate]) -> None:
    seen = Counter()
    for plate in plates:
        if plate.country == "GB":
            names = [name for name, form in _FORMATS.items() if re.fullmatch(form, plate.vrm)]
            assert names, "a plate has no British format"
            seen.update(names)
    assert set(seen) == set(_FORMATS)


def test_current_plates_use_letters_and_ages_that_were_issued(plates: list[Plate]) -> None:
    for plate in plates:
        if plate.country == "GB" and re.fullmatch(_FORMATS["current"], plate.vrm):
            assert not set(plate.vrm[:2]) & set("IQZ")
            assert not set(plate.vrm[4:]) & set("IQ")
            assert int(plate.vrm[2:4]) in {*range(2, 27), *range(51, 76)}


def test_the_text_on_the_plate_normalises_to_the_mark(plates: list[Plate]) -> None:
    for plate in plates:
        assert re.sub("[ -]", "", plate.text) == plate.vrm
        assert re.fullmatch("[A-Z0-9]{4,9}", plate.vrm)


def test_marks_hardly_ever_repeat(plates: list[Plate]) -> None:
    assert len({plate.vrm for plate in plates}) > 0.995 * len(plates)


def test_the_same_seed_draws_the_same_plates() -> None:
    one, same = Random("s"), Random("s")
    assert [draw_plate(one) for _ in range(500)] == [draw_plate(same) for _ in range(500)]


def test_a_misread_differs_and_is_mostly_one_look_alike(plates: list[Plate]) -> None:
    rng = Random(4)
    lookalike = 0
    for plate in plates[:4000]:
        wrong = misread(plate.vrm, rng)
        assert wrong != plate.vrm
        assert re.fullmatch("[A-Z0-9]{3,10}", wrong)
        lookalike += (
            len(wrong) == len(plate.vrm) and sum(a != b for a, b in zip(wrong, plate.vrm, strict=True)) == 1
        )
    assert 0.5 < lookalike / 4000 < 0.9
