"""Folding and keys: equal exactly when the plates are."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr.confusable import CLASSES, fold, folded_keys, plate_keys

plate = st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=12)
similar = st.text("0OQD1IL2Z5S6G8BAX", min_size=1, max_size=4)


def reference_key(vrm: str) -> int:
    digits = [1 + (string.digits + string.ascii_uppercase).index(letter) for letter in vrm]
    return sum(digit * 37 ** (11 - place) for place, digit in enumerate(digits))


@pytest.mark.parametrize("group", CLASSES)
def test_fold_joins_a_class(group: str) -> None:
    assert {fold(letter) for letter in group} == {group[0]}


def test_fold_keeps_the_rest() -> None:
    assert fold("ACEFHJKMNPRTUVWXY3479") == "ACEFHJKMNPRTUVWXY3479"
    assert fold("OB1Q5S") == "081055"


@given(plate)
def test_fold_is_stable(vrm: str) -> None:
    assert fold(fold(vrm)) == fold(vrm)
    assert len(fold(vrm)) == len(vrm)


@given(st.lists(plate, max_size=30))
def test_keys_are_base_37(vrms: list[str]) -> None:
    keys = plate_keys(vrms)
    assert keys.dtype == np.uint64
    assert keys.tolist() == [reference_key(vrm) for vrm in vrms]


@given(st.lists(st.one_of(plate, similar), max_size=30))
def test_folded_keys_are_keys_of_the_folded(vrms: list[str]) -> None:
    assert folded_keys(vrms).tolist() == plate_keys([fold(vrm) for vrm in vrms]).tolist()


@given(st.one_of(plate, similar), st.one_of(plate, similar))
def test_keys_are_injective_and_keep_order(one: str, other: str) -> None:
    first, second = plate_keys([one, other]).tolist()
    assert (first == second) == (one == other)
    assert (first < second) == (one < other)


@pytest.mark.parametrize("vrm", ["", "ab1", "AB 1", "1234567890123", "Ä1", "A\0"])
def test_unnormalised_plates_are_refused(vrm: str) -> None:
    with pytest.raises(ValueError, match="not normalised"):
        plate_keys(["AB12CDE", vrm])
    with pytest.raises(ValueError, match="not normalised"):
        folded_keys([vrm])


def test_no_plates_no_keys() -> None:
    assert plate_keys([]).shape == (0,)
    assert folded_keys([]).shape == (0,)


def test_longest_plate_fits() -> None:
    assert plate_keys(["Z" * 12]).tolist() == [37**12 - 1]
