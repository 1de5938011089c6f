"""A hotlist's file: good lines are kept, bad ones named, whatever the chunks it comes in."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from services.match.hotlists.hotlist_file import MOST_ERRORS, MOST_LINE_BYTES, Entries, HotlistFile


def read(content: bytes, size: int = 1 << 20) -> tuple[HotlistFile, Entries]:
    file, whole = HotlistFile(), Entries()
    parts = [file.feed(content[start : start + size]) for start in range(0, len(content), size)]
    for part in (*parts, file.finish()):
        for name in Entries.__slots__:
            getattr(whole, name).extend(getattr(part, name))
    return file, whole


def test_columns_are_found_by_name_in_any_order_and_case():
    _, entries = read(b"Weed_Date,REASON,colour, Vrm ,priority\n2026-01-31,Stolen,RED,ab12 cde,1\n")
    assert (entries.vrms, entries.reasons, entries.priorities) == (["AB12CDE"], ["Stolen"], ["1"])
    assert entries.weed_dates == ["2026-02-01T00:00:00+00:00"]


def test_unknown_columns_are_named():
    file, _ = read(b"vrm,reason,colour,Owner\nA1,x,red,me\n")
    assert file.ignored_columns == ["colour", "owner"]


def test_what_is_left_out_gets_its_default():
    _, entries = read(b"vrm,reason\nA1,x")
    row = [getattr(entries, name)[0] for name in Entries.__slots__]
    assert row == [2, "A1", "x", "5", "", "", "infinity"]


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_habits_of_spreadsheets_do_no_harm(start, end):
    lines = [
        b'"vrm","reason"',
        b'"AB12CDE","Stolen, ""blue"" van"',
        b"",
        b",",
        b"B1,\xc2\xa0spaced\xc2\xa0out",
    ]
    file, entries = read(start + end.join(lines) + end)
    assert entries.reasons == ['Stolen, "blue" van', "spaced out"]
    assert file.rejected == 0


BAD_LINES = {
    b",x": ("vrm", "the plate is empty"),
    b"AB*12,x": ("vrm", "the plate is not 1 to 12 of A-Z and 0-9"),
    b"ABCDEFGHIJKLM,x": ("vrm", "the plate is not 1 to 12 of A-Z and 0-9"),
    b"A1,  ": ("reason", "the reason is empty"),
    b"A1," + b"x" * 501: ("reason", "it has more than 500 characters"),
    b"A1,a\x00b": ("reason", "it contains control characters"),
    b"A1": ("", "the line has 1 fields, the header 2"),
    b"A1,x,y": ("", "the line has 3 fields, the header 2"),
    b"A1,\xff": ("", "the line is not UTF-8"),
    b'A1,"x': ("", "a quote is not closed, or has text after its end, on this line"),
    b"A1," + b"x" * MOST_LINE_BYTES: ("", f"the line is longer than {MOST_LINE_BYTES} bytes"),
}


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: repr(line[:16]))
def test_a_bad_line_is_named_and_costs_no_other(line):
    file, entries = read(b"vrm,reason\nB1,before\n" + line + b"\nB2,after\n")
    assert entries.vrms == ["B1", "B2"]
    (problem,) = file.problems
    assert (problem.line, problem.column, problem.message) == (3, *BAD_LINES[line])
    assert (file.accepted, file.rejected) == (2, 1)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("priority", value) for value in ("0", "10", "high", "-1", "1.0", "²")),
        *(("weed_date", value) for value in ("tomorrow", "31/01/2026", "2026-02-30", "2026-01-31T25:00")),
        *(("markers", value) for value in ("M" * 41, ";".join(f"M{n}" for n in range(21)))),
        ("instruction", "x" * 501),
    ],
)
def test_values_out_of_range_are_refused_by_column(column, value):
    file, entries = read(f"vrm,reason,{column}\nA1,x,{value}\n".encode())
    assert not entries.lines
    assert [problem.column for problem in file.problems] == [column]
    assert "A1" not in file.problems[0].message


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("2026-01-31", "2026-02-01T00:00:00+00:00"),
        ("2026-01-31T10:00", "2026-01-31T10:00:00+00:00"),
        ("2026-01-31 10:00:00+01:00", "2026-01-31T10:00:00+01:00"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00+00:00"),
        ("9999-12-31", "infinity"),
        ("  ", "infinity"),
    ],
)
def test_a_weed_date_is_a_moment_and_a_day_means_its_end(value, meant):
    _, entries = read(f"vrm,reason,weed_date\nA1,x,{value}\n".encode())
    assert entries.weed_dates == [meant]


def test_markers_are_tidied():
    _, entries = read(b"vrm,reason,markers\nA1,x, ARMED ;;DRUGS;\n")
    assert entries.markers == ["ARMED;DRUGS"]


HEADERS = [
    b"",
    b"\n",
    b"AB12CDE,stolen\n",
    b"vrm\n",
    b"vrm,reason,vrm\n",
    b"vrm;reason\n",
    b"vrm,reason,\xff\n",
    b'vrm,"reason\n',
    b"vrm,reason," + b"x" * MOST_LINE_BYTES + b"\n",
    "vrm,reason\n".encode("utf-16"),
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:16]))
def test_an_unusable_header_is_refused_without_showing_what_was_there(header):
    with pytest.raises(InvalidInput) as caught:
        read(header + (b"A1,x\n" if header else b""))
    assert caught.value.reason == "CSV_HEADER_INVALID"
    assert "vrm" in caught.value.message
    assert "AB12CDE" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"vrm;reason\nA1;x\n", "not separated by commas"),
        (b"Reason\tVRM\nx\tA1\n", "not separated by commas"),
        (gzip.compress(b"vrm,reason\nA1,x\n"), "compressed, so unpack it first"),
    ],
    ids=["semicolons", "tabs", "gzip"],  # gzip's bytes hold the time, which may differ between test workers
)
def test_a_file_of_another_kind_is_told_apart_from_one_that_lacks_columns(content, hint):
    with pytest.raises(InvalidInput, match=hint):
        read(content)


def test_only_the_first_problems_are_kept_and_all_are_counted():
    file, _ = read(b"vrm,reason\n" + b"*,x\n" * 250)
    assert (len(file.problems), file.rejected) == (MOST_ERRORS, 250)


@settings(deadline=None)
@given(
    st.integers(1, 40),
    st.lists(st.sampled_from(["A1,x", ",x", 'B2,"y, z"', 'C3,"', "D4,é", ""]), max_size=12),
)
def test_where_the_chunks_end_makes_no_difference(size, lines):
    content = "\n".join(("vrm,reason", *lines)).encode()
    (file, entries), (cut, cut_entries) = read(content), read(content, size)
    assert entries == cut_entries
    assert (file.accepted, file.rejected, file.problems) == (cut.accepted, cut.rejected, cut.problems)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_it(content):
    file, entries = read(b"vrm,reason\n" + content, 7)
    assert len(entries) == file.accepted


def test_an_endless_line_takes_no_memory():
    file = HotlistFile()
    file.feed(b"vrm,reason\n")
    for _ in range(100):
        file.feed(b"x" * 65_536)
    assert len(file._rest) == MOST_LINE_BYTES
    assert file.feed(b"\nA1,x\n").vrms == ["A1"]
    assert file.problems[0].line == 2
