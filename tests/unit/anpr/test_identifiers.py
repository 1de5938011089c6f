"""Force codes, camera, feed and read names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr.force import is_force
from anpr.identifiers import (
    all_read_ids,
    is_camera_id,
    is_feed,
    is_read_id,
    oddity_of_id,
    oddity_of_name,
)


@pytest.mark.parametrize("code", ["essex", "k", "west-yorkshire", "a" * 32, "btp2"])
def test_force_codes(code: str) -> None:
    assert is_force(code)


@pytest.mark.parametrize(
    "code", ["", "Essex", "1st", "-a", "a" * 33, "es_sex", "essex\n", "éssex", "a,b", "a b"]
)
def test_not_force_codes(code: str) -> None:
    assert not is_force(code)


@pytest.mark.parametrize("name", ["ESX-A12-003", "a", "1.2_3-4", "x" * 64])
def test_camera_and_feed_names(name: str) -> None:
    assert is_camera_id(name)
    assert is_feed(name)


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a\n", "ä", "a/b", "a\0"])
def test_not_camera_or_feed_names(name: str) -> None:
    assert not is_camera_id(name)
    assert not is_feed(name)


@pytest.mark.parametrize(
    "name",
    ["1", "007", "1.2", "10.0.0.12", "12-03-01", "A.0", "E12", "1E05", "MAR-10", "cam-true", "12-MAR", "M25"],
)
def test_ids_that_people_give(name: str) -> None:
    assert oddity_of_id(name) is None


@pytest.mark.parametrize(
    "name",
    ["1.0", "1234.00", "10-Mar", "Mar-10", "2026-03-10", "nan", "None", "NULL", "UNKNOWN", "TRUE", "1E-05"],
)
def test_ids_that_tools_make(name: str) -> None:
    assert oddity_of_id(name) is not None
    assert name not in str(oddity_of_id(name))


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("", False),
        ("#1 High Street", False),
        ("12/5", False),
        ("Nan Clark's Lane", False),
        ("nan", True),
        ("#N/A", True),
        ("#REF!", True),
        ("####", True),
        ("None", True),
    ],
)
def test_names_that_are_none(name: str, odd: bool) -> None:
    assert (oddity_of_name(name) is not None) == odd


@pytest.mark.parametrize("read_id", ["1", "a b/c:d", "x" * 128, "Lesung-ü"])
def test_read_ids(read_id: str) -> None:
    assert is_read_id(read_id)


@pytest.mark.parametrize("read_id", ["", "x" * 129, "a\0", "a\n", "\x7f", "a\u2028b", "\ue000"])
def test_not_read_ids(read_id: str) -> None:
    assert not is_read_id(read_id)


@given(st.lists(st.text(max_size=140), max_size=20))
def test_bulk_check_agrees_with_single(read_ids: list[str]) -> None:
    assert all_read_ids(read_ids) == all(map(is_read_id, read_ids))
