"""Rows to and from COPY."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anpr.confusable import folded_keys
from services.match.hotlists.copy_format import copy_text
from services.match.hotlists.hotlist_file import HotlistFile
from services.match.index.key_column import KeyColumn

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">II", 0, 0)
END = struct.pack(">h", -1)


def binary(keys: list[int]) -> bytes:
    return SIGNATURE + b"".join(struct.pack(">hiQ", 1, 8, key) for key in keys) + END


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1), max_size=30), st.integers(1, 50))
async def test_keys_survive_any_cut(keys, size):
    column, data = KeyColumn(len(keys)), binary(keys)
    for start in range(0, len(data), size):
        await column.write(data[start : start + size])
    assert column.finish().tolist() == keys


@pytest.mark.parametrize("expected", [1, 3])
async def test_another_number_of_rows_is_an_error(expected):
    async def read() -> None:
        column = KeyColumn(expected)
        await column.write(binary([1, 2]))
        column.finish()

    with pytest.raises(ValueError, match="rows"):
        await read()


def test_backslashes_are_escaped():
    file = HotlistFile()
    (found,) = (
        each for take in (file.feed(b"vrm,reason\nA1,a\\b\n"), file.finish()) for each in take if each
    )
    text = copy_text(7, found, folded_keys(found.vrms)).decode()
    key = int(folded_keys(["A1"])[0])
    assert text == f"7\t{key}\tinfinity\t2\t5\tA1\ta\\\\b\t\t\t\t\t\t\n"
