"""Bytes become rows, whatever the chunks; a bad line costs itself only."""

import gzip
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.columns import Wanted
from tables.faults import CutError, RowError, TableError
from tables.json_lines import JsonLines
from tables.layouts import READS
from tables.opening import is_json
from tables.table import Table

WANTED = Wanted(("id", "text"), ("more",), likely={"text": ("remark",)}, together=("text",))
LONGEST = 200


def rows(
    content: bytes,
    size: int = 1 << 20,
    kind: Callable[..., Any] = Table,
    chosen: dict[str, str] | None = None,
) -> list[tuple[int, Any]]:
    table = kind(WANTED, chosen, longest=LONGEST)
    found = []
    for start in range(0, len(content), size):
        found += list(table.feed(content[start : start + size]))
    found += list(table.finish())
    return [(number, each.message if isinstance(each, RowError) else list(each)) for number, _, each in found]


def test_any_usual_delimiter_and_a_comma_in_quotes() -> None:
    for delimiter in ",;\t|":
        content = f'id{delimiter}text\n1{delimiter}"a, b; c"\n'.encode()
        assert rows(content) == [(2, ["1", "a, b; c", ""])]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r"])
def test_encodings_and_line_ends(size: int, encoding: str, end: str) -> None:
    content = end.join(("id,text", "1,Zoë", '2,"a"', "3,c", "")).encode(encoding)
    found = rows(content, size)
    values = [values for _, values in found]
    assert values == [["1", "Zoë", ""], ["2", "a", ""], ["3", "c", ""]]


def test_a_line_that_is_not_utf8_is_windows_1252_and_said_once() -> None:
    table = Table(WANTED, longest=LONGEST)
    found = [*table.feed(b"id,text\n1,Zo\xc3\xab\n2,Zo\xeb \x80\n3,\xa35\n"), *table.finish()]
    assert [values[1] for _, _, values in found if not isinstance(values, RowError)] == ["Zoë", "Zoë €", "£5"]
    assert [(remark.line, remark.message) for remark in table.remarks] == [
        (3, "the line is not UTF-8; it and others like it were read as Windows-1252")
    ]


QUOTES: list[tuple[str, Sequence[tuple[int, Any]]]] = [
    ('1,"a\nb",c\n2,d', [(2, ["1", "a\nb", "c"]), (4, ["2", "d", ""])]),
    ('1,"a\n\nb",c', [(2, ["1", "a\n\nb", "c"])]),
    ('1,"a\n2,"b"', [(2, "NOT CLOSED"), (3, ["2", "b", ""])]),
    ('1,"a\n2,b,c\n3,d",e', [(2, "NOT CLOSED"), (3, ["2", "b", "c"]), (4, ["3", 'd"', "e"])]),
    ('1,"a""b",c', [(2, ["1", 'a"b', "c"])]),
    ('1,12" wheels', [(2, ["1", '12" wheels', ""])]),
    ('1,"a"b,c\n2,d', [(2, "TEXT AFTER"), (3, ["2", "d", ""])]),
    ('1, "a", c', [(2, ["1", "a", "c"])]),
    ('1,"a\n' + "x\n" * 30 + "2,b,c", [(2, "NOT CLOSED"), *((3 + n, "NARROW") for n in range(30))]),
]


@pytest.mark.parametrize(("content", "expected"), QUOTES, ids=range(len(QUOTES)))
def test_a_quote_that_is_not_closed_costs_its_own_line_only(
    content: str, expected: Sequence[tuple[int, Any]]
) -> None:
    words = {
        "NOT CLOSED": "a quotation mark is not closed, on this line or soon after",
        "TEXT AFTER": "a quotation mark has text after its end, or is not doubled inside a text",
        "NARROW": "the line has 1 column, the header 3",
    }
    found = rows(f"id,text,more\n{content}\n".encode())
    assert found[: len(expected)] == [
        (number, words.get(each, each) if isinstance(each, str) else each) for number, each in expected
    ]


def test_short_and_long_rows() -> None:
    assert rows(b"id,text,more,other\n1,a\n2,b,c,d,,\n3\n4,a,b,c,d\n") == [
        (2, ["1", "a", ""]),
        (3, ["2", "b", "c"]),
        (4, "the line has 1 column, the header 4"),
        (5, "the line has 5 columns, the header 4: put a text that has a comma in quotes"),
    ]


def test_a_short_last_line_without_an_end_is_remarked_on() -> None:
    table = Table(WANTED, longest=LONGEST)
    assert [*table.feed(b"id,text,more\n1,a,b\n2,c"), *table.finish()][-1][2] == ["2", "c", ""]
    assert [remark.line for remark in table.remarks] == [3]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("ID , Text", "the header line again"),
        ("Total,12", "a total"),
        ("Grand Total:,1,234", "a total"),
        (",Total,2", "a total"),
        ("(2 rows affected)", "a count of rows"),
        ("2 rows selected.", "a count of rows"),
        ("-- 2 records --", "a count of rows"),
        ("Total: 2", "a count of rows"),
        ("---,------", "a rule between lines"),
        ("*** END OF REPORT ***", "the end of the file in words"),
        ("OFFICIAL - SENSITIVE", "a protective marking"),
        ("OFFICIAL,,", "a protective marking"),
    ],
)
def test_lines_that_are_no_data_are_left_out_by_name(line: str, what: str) -> None:
    table = Table(WANTED, longest=LONGEST)
    found = [*table.feed(f"id,text\n1,a\n{line}\n2,b\n".encode()), *table.finish()]
    assert [number for number, _, _ in found] == [2, 4]
    assert (table.furniture, [remark.message for remark in table.remarks]) == (1, [f"left out: it is {what}"])


@pytest.mark.parametrize(
    "line", ["TOTAL,Stolen", "Total Eclipse,2", "END1,x", "OFFICIAL,x", "2,rows", "text,a"]
)
def test_lines_that_only_look_like_furniture_are_kept(line: str) -> None:
    assert [values[:2] for _, values in rows(f"id,text\n{line}\n".encode())] == [line.split(",")]


def test_a_long_line_is_refused_and_the_next_is_read() -> None:
    assert rows(b"id,text\n1," + b"x" * LONGEST * 9 + b"\n2,b\n", 7) == [
        (2, "the line is longer than 200 characters; leave out columns of pictures"),
        (3, ["2", "b", ""]),
    ]


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_gzip_in_several_members(size: int) -> None:
    content = gzip.compress(b"id,text\n1,a\n") + gzip.compress(b"2,b\n") + b"\0" * 512
    assert [values[0] for _, values in rows(content, size)] == ["1", "2"]


def test_lines_before_garbage_behind_gzip_are_given() -> None:
    table = Table(WANTED, longest=LONGEST)
    found: list[Any] = []
    with pytest.raises(CutError, match="after line 2"):
        found.extend(table.feed(gzip.compress(b"id,text\n1,a\n") + b"garbage"))
    assert [values for _, _, values in found] == [["1", "a", ""]]


def test_cut_gzip_gives_what_it_has_and_then_says_so() -> None:
    whole = gzip.compress(b"id,text\n" + b"".join(b"%d,%d\n" % (n, n * n * 7919) for n in range(50_000)))
    table, seen = Table(WANTED, longest=LONGEST), []
    taken = (row for take in (table.feed(whole[: len(whole) // 2]), table.finish()) for row in take)
    with pytest.raises(CutError, match="after line"):
        seen.extend(number for number, _, _ in taken)
    assert len(seen) > 10_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n \n\x1a", "empty"),
        (b"id,text,Text\n", "several columns called text"),
        (b"id,remark\n", "--map text=remark"),
        (
            b"OFFICIAL\n\nid,text\n",
            "line 1 is a protective marking and no header; line 3 looks like the header",
        ),
        (b"List of 3 March\nid,text\n", "line 2 looks like the header"),
        (b"id,text\n1,a\ntext,id\nb,2\n", "line 3 is a header line with other columns than the first"),
        (b"PK\x03\x04list.csv", "a ZIP archive"),
        (b"\x89PNG\r\n", "PNG"),
        (b"<html>", "HTML"),
        (bytes(range(32)) * 9, "binary"),
        (b"\x1f\x8b\x08garbage", "compressed data"),
    ],
)
def test_a_file_that_is_no_table_is_called_by_its_name(content: bytes, said: str) -> None:
    with pytest.raises(TableError, match=said):
        rows(content)


def test_json_lines_with_mapped_names_and_broken_ones() -> None:
    good, deep = json.dumps({"i": 7, "text": "a"}), "[" * 150
    found = rows(f'{good}\n\n{{"i": \n[1]\n{deep}\n'.encode(), kind=JsonLines, chosen={"id": "i"})
    assert found == [
        (1, [7, "a", None]),
        (3, "the line is not JSON"),
        (4, "the line is not a JSON object"),
        (5, "the line is not JSON"),
    ]
    joined = rows(b'{"id": 1, "d": "x", "t": "y"}\n', kind=JsonLines, chosen={"text": "d+t"})
    assert joined == [(1, [1, "x y", None])]


@pytest.mark.parametrize(
    "place",
    [
        '"position":{"latitude":51.5,"longitude":0.5,"accuracy":3}',
        '"GPS":{"lat":51.5,"Lng":0.5}',
        '"gps.lat":51.5,"gps.lon":0.5',
    ],
)
def test_a_place_inside_an_object_is_taken(place: str) -> None:
    read = '{"force":"essex","camera_id":"C","captured_at":"x","vrm":"A1"'
    content = f'{read},"position":null}}\n{read},{place}}}\n{read},"position":"Dover"}}\n'.encode()
    table = JsonLines(READS, longest=LONGEST)
    found = [
        values[6:8] for _, _, values in (*table.feed(content), *table.finish()) if isinstance(values, list)
    ]
    assert found == [[None, None], [51.5, 0.5], [None, None]]
    assert table.found.ignored == ("position",)


@pytest.mark.parametrize("place", ['"position":{"lat":51.5,"lon":0.5}', '"Latitude":51.5,"longitude":0.5'])
def test_a_place_that_comes_late_in_the_file_is_taken(place: str) -> None:
    read = '{"force":"essex","camera_id":"C","captured_at":"x","vrm":"A1"'
    content = f'{read},"position":null}}\n' * 1500 + f"{read},{place}}}\n"
    table = JsonLines(READS, longest=LONGEST)
    *_, (_, _, last) = (*table.feed(content.encode()), *table.finish())
    assert isinstance(last, list)
    assert last[6:8] == [51.5, 0.5]


def test_a_value_inside_an_object_is_mapped_by_its_path() -> None:
    content = b'{"id":{"$oid":7},"when":{"d":"x","t":"y"},"a.b":1,"a":2}\n{"id":3,"when":[]}\n'
    found = rows(content, kind=JsonLines, chosen={"id": "id.$oid", "text": "when.d+when.t"})
    assert found == [(1, [7, "x y", None]), (2, [None, "", None])]
    assert rows(content, kind=JsonLines, chosen={"id": "a", "text": "a.b"}) == [
        (1, [2, 1, None]),
        (2, [None, None, None]),
    ]


def test_a_table_and_json_lines_are_told_apart() -> None:
    assert is_json(b'\xef\xbb\xbf \n{"id": 1}', longest=LONGEST)
    assert not is_json(gzip.compress(b"id,text\n"), longest=LONGEST)
    for content, said in ((b'[{"id": 1}]', "JSON array"), (b"", "empty"), (b"%PDF-1", "PDF")):
        with pytest.raises(TableError, match=said):
            is_json(content, longest=LONGEST)


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(1, 60))
def test_where_the_chunks_end_makes_no_difference(content: bytes, size: int) -> None:
    def outcome(size: int) -> Any:
        try:
            return rows(b"id,text,more\n" + content, size)
        except TableError as fault:
            return fault.message

    assert outcome(size) == outcome(1 << 20)


@settings(deadline=None)
@given(st.text(alphabet='ab",\n\r\0é ', max_size=80))
def test_every_line_is_a_row_or_named_or_left_out(content: str) -> None:
    found = rows(f'id,text\n{content}\nZ1,end\nZ2,"last"\n'.encode())
    numbers = [number for number, _ in found]
    assert numbers == sorted(set(numbers))
    assert found[-1][1] == ["Z2", "last", ""]


def test_a_carriage_return_in_a_line_is_named_and_joins_no_two_rows() -> None:
    said = rows(b"id,text,more\n1,a\r2,b\n3,c,d\n", 7)
    assert said[1:] == [(3, ["3", "c", "d"])]
    assert "carriage return" in str(said[0][1])


def test_a_time_in_brackets_is_no_json() -> None:
    assert not is_json(b"[27/11/2026, 04:00:12] PC 42: id,text\n", longest=LONGEST)
