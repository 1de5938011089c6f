"""Cells without guards, quotes and unseen blanks; numbers in the forms of several countries."""

import pytest

from tables.cells import bare, is_absent, number, unguarded
from tables.faults import RowError


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "AB12",
            " AB12\t",
            "\xa0AB12\u200b",
            "'AB12",
            "'AB12'",
            '"AB12"',
            "“AB12”",
            '="AB12"',
            '= "AB12"',
            "`AB12´",
        ),
        *("\u200eAB12\u202c", "\ufeffAB12"),
    ],
)
def test_a_cell_is_freed_from_what_is_no_part_of_it(cell: str) -> None:
    assert bare(cell) == "AB12"


def test_free_texts_keep_their_quotes() -> None:
    assert unguarded("'Stolen'") == "'Stolen'"
    assert unguarded('="say ""no"""') == 'say "no"'


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0.97", 0.97),
        ("0,97", 0.97),
        ("-1,25", -1.25),
        (" 5 ", 5),
        ("'5", 5),
        ("\u22121.5", -1.5),
        ("51.7\xb0", 51.7),
    ],
)
def test_numbers(cell: str, value: float) -> None:
    assert number(cell, "lat") == value


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("51.7,0.5", "not one number"),
        ("51.7N", "south and west"),
        ("51°42'", "south and west"),
        ("x", "not a number"),
        ("51_7", "not a number"),
        ("N51.7", "south and west"),
        ("#REF!", "error value"),
        ("####", "error value"),
    ],
)
def test_what_is_no_number_is_named(cell: str, said: str) -> None:
    with pytest.raises(RowError, match=said) as caught:
        number(cell, "lat")
    assert caught.value.column == "lat"


@pytest.mark.parametrize(
    ("column", "said"), [("heading", "north is 0"), ("confidence", "0.97"), ("lon", "west")]
)
def test_a_word_instead_of_a_number_is_told_what_its_column_takes(column: str, said: str) -> None:
    with pytest.raises(RowError, match=said):
        number("None of these", column)


def test_words_for_no_value() -> None:
    words = ("NULL", "null", "(null)", "\\N", "NaN", "NaT", "N/A", "n/a", "None", "nil", "-", "<NA>")
    assert [word for word in words if not is_absent(word)] == []
    assert not any(map(is_absent, ("", "NONEXISTENT", "Nile", "NA", "0")))
