"""A hotlist's file: good lines are kept, bad ones named, whatever the chunks it comes in."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from services.match.hotlists import values
from services.match.hotlists.hotlist_file import MOST_ERRORS, MOST_LINE, Entries, HotlistFile
from tests.unit.match.hotlist_files import add, read, told


def test_columns_are_found_by_name_in_any_order_and_case():
    _, entries = read(b"Weed_Date,REASON,colour, Vrm ,priority\n2026-01-31,Stolen,RED,ab12 cde,1\n")
    assert (entries.vrms, entries.reasons, entries.priorities) == (["AB12CDE"], ["Stolen"], ["1"])
    assert entries.weed_dates == ["2026-02-01T00:00:00+00:00"]


def test_unknown_columns_are_named():
    file, _ = read(b"vrm,reason,dealer,Owner\nA1,x,red,me\n")
    assert list(file.ignored_columns) == ["dealer", "Owner"]


def test_what_is_left_out_gets_its_default():
    _, entries = read(b"vrm,reason\nA1,x")
    row = [getattr(entries, name)[0] for name in Entries.__slots__]
    assert row == [2, "A1", "x", "5", "", "", "infinity", "", "", "", ""]


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
    b"AB*12,x": (
        "vrm",
        "the VRM has characters that stand for unread ones (*); only whole plates are taken",
    ),
    b"ABCDEFGHIJKLM,x": ("vrm", "the VRM has more than 12 characters"),
    b"NO PLATE,x": ("vrm", "this is a word for a plate that was not read, and no plate"),
    b"A1,#REF!": ("reason", "it is an error value of a spreadsheet; repair the sheet and save it again"),
    b"A1,  ": ("reason", "the reason is empty"),
    b"A1," + b"x" * 501: ("reason", "it has more than 500 characters"),
    b"A1,a\x07b": ("reason", "it contains control characters"),
    b"A1,a\x00b": ("", "it holds NUL characters: the file is damaged there, or is no text"),
    b"A1": ("", "the line has 1 column, the header 2"),
    b"A1,x,y": ("", "the line has 3 columns, the header 2: put a text that has a comma in quotes"),
    b"A1,\x81": ("", "byte 4 of the line is neither UTF-8 nor Windows-1252"),
    b'A1,"x': ("", "a quotation mark is not closed, on this line or soon after"),
    b'A1,"x"y': ("", "a quotation mark has text after its end, or is not doubled inside a text"),
    b"A1," + b"x" * MOST_LINE: (
        "",
        "the line is longer than 8,192 characters; leave out columns of pictures",
    ),
}


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: repr(line[:16]))
def test_a_bad_line_is_named_and_costs_no_other(line):
    file, entries = read(b"vrm,reason\nB1,before\n" + line + b"\nB2,after\n")
    assert entries.vrms == ["B1", "B2"]
    (problem,) = file.problems
    assert (problem.line, problem.column, problem.message) == (3, *BAD_LINES[line])
    assert (file.accepted, file.rejected) == (2, 1)


BAD_DATES = (
    *("tomorrow", "31/01/2026", "2026-02-30", "2026-01-31T25:00", "2026-W53-5", "46353", "31-Jan-2027"),
    *("2026-01-31T10:00+16:00", "0001-01-01T00:00+05:00", "#####", "20:00", "2026-01-31 10:00 BST"),
    *("1900-01-01", "0000-00-00", "2026-12", "/Date(1798675200000)/", "1798675200", "2026-12-31 24:00:00"),
)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("priority", value) for value in ("0", "10", "high", "-1", "1.5", "1st", "²")),
        *(("weed_date", value) for value in BAD_DATES),
        *((column, "x" * 41) for column in ("make", "model", "colour", "country")),
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
        ("2026-01-31 10:00:00+01:00", "2026-01-31T09:00:00+00:00"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00+00:00"),
        ("2026/01/31", "2026-02-01T00:00:00+00:00"),
        ("20260131", "2026-02-01T00:00:00+00:00"),
        ("2026-01-31 10:00 UTC", "2026-01-31T10:00:00+00:00"),
        ("9999-12-31", "infinity"),
        ("  ", "infinity"),
        *((word, "infinity") for word in ("infinity", "Never", "n/a", "None", "-", "no expiry")),
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
    b'vrm,"reason\n',
    b"vrm,reason," + b"x" * MOST_LINE + b"\n",
    b'{"vrm": "A1", "reason": "x"}\n',
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:16]))
def test_an_unusable_header_is_refused_without_showing_what_was_there(header):
    with pytest.raises(InvalidInput) as caught:
        read(header + (b"A1,x\n" if header else b""))
    assert caught.value.reason == "CSV_HEADER_INVALID"
    assert "AB12CDE" not in caught.value.message


FORMS = {
    "semicolons": b"vrm;reason\nA1;x\n",
    "tabs": b"Reason\tVRM\nx\tA1\n",
    "bars": b"vrm|reason\nA1|x\n",
    "sep": b"sep=;\r\nvrm;reason\r\nA1;x\r\n",
    "bare CR": b"vrm,reason\rA1,x\r",
    "UTF-16": "vrm,reason\nA1,x\n".encode("utf-16"),
    "UTF-16 without mark": "vrm,reason\nA1,x\n".encode("utf-16-le"),
    "gzip": gzip.compress(b"vrm,reason\nA1,x\n", mtime=0),
    "blank lines above": b"\n \nvrm,reason\nA1,x\n",
    "columns without a name": b"vrm,reason,,\nA1,x,,\n",
    "short and long rows": b"vrm,reason,priority\nA1,x,,,,\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_every_usual_form_of_a_table_is_read(form, size):
    file, entries = read(FORMS[form], size)
    assert (entries.vrms, entries.reasons, file.rejected) == (["A1"], ["x"], 0)


def test_columns_are_mapped():
    _, entries = read(b"Registration,Why,Ends,At\nA1,x,2026-01-31,10:00\n", columns=MAP)
    assert (entries.vrms, entries.weed_dates) == (["A1"], ["2026-01-31T10:00:00+00:00"])


MAP = {"vrm": "registration", "reason": "WHY", "weed_date": "Ends+At"}


def test_what_is_no_entry_is_left_out_by_name():
    lines = [b"vrm,reason,priority", b"A1,x,2", b"VRM,Reason,Priority", b"B1,y", b"Total,2", b",,", b""]
    file, entries = read(b"\n".join((*lines, b"(2 rows affected)", b"OFFICIAL - SENSITIVE", b"")))
    assert (entries.vrms, file.rejected, file.furniture) == (["A1", "B1"], 0, 5)
    assert told(file.remarks) == [
        (3, "", "left out: it is the header line again"),
        (5, "", "left out: it is a total"),
        (8, "", "left out: it is a count of rows"),
        (9, "", "left out: it is a protective marking"),
    ]


def test_a_line_is_remarked_on_when_it_is_taken_in_another_way_than_it_stands():
    file, entries = read(b"vrm,reason,weed_date,country\nCS31AAA-GBR,x,,\nA1,y,2026-11-26,\nB1,\xa35,,\n")
    assert (entries.countries, entries.reasons) == (["GB", "", ""], ["x", "y", "£5"])
    assert told(file.remarks) == [
        (2, "vrm", "the country GB beside the plate was taken off it"),
        (3, "weed_date", "the weed date has passed already, on 2026-11-27 00:00 UTC"),
        (4, "", "the line is not UTF-8; it and others like it were read as Windows-1252"),
    ]


def test_make_model_colour_and_country_are_kept():
    _, entries = read(b"vrm,reason,Make,MODEL,color,country\nA1,x,Yamaha,MT-07,blue,DE\n")
    vehicle = (entries.makes, entries.models, entries.colours, entries.countries)
    assert vehicle == (["Yamaha"], ["MT-07"], ["blue"], ["DE"])


def test_a_text_over_several_lines_is_one_entry_on_its_first_line():
    _, entries = read(b'vrm,reason,priority\nA1,"Stolen\r\nfrom Harlow",2\r\nB1,x,2\r\n')
    assert (entries.lines, entries.reasons) == ([2, 4], ["Stolen from Harlow", "x"])


def test_guards_against_spreadsheets_are_taken_off():
    _, entries = read(b'vrm,reason\n"=""0123""",x\n\'0456,y\n')
    assert entries.vrms == ["0123", "0456"]


@pytest.mark.parametrize("plate", ["10-Mar", "1.00E+23", "123456.0", "2026-03-10", "#N/A"])
def test_what_a_spreadsheet_made_of_a_plate_is_refused_by_its_cause(plate):
    file, entries = read(f"vrm,reason\n{plate},x\n10 MAR,x\n123456,x\n12345,x\n".encode())
    assert entries.vrms == ["10MAR", "123456", "12345"]
    assert "spreadsheet" in file.problems[0].message


WRONG_KINDS = {
    "Excel workbook": b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml",
    "ZIP archive": b"PK\x03\x04\x14\x00list.csv",
    "PDF": b"%PDF-1.7",
    "HTML": b"<!DOCTYPE html><html>",
    "old Excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "JSON": b'[{"vrm": "A1"}]',
    "break after line": gzip.compress(b"vrm,reason\nA1,x\n", mtime=0)[:-9],
    "line 2 looks like the header": b"OFFICIAL - SENSITIVE\nvrm,reason\nA1,x\n",
    "is a header line with other columns": b"vrm,reason\nA1,x\nreason,vrm\ny,B1\n",
    "--map vrm=Registration": b"Registration,reason\nA1,x\n",
}


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_a_file_of_another_kind_is_called_by_its_name(name):
    with pytest.raises(InvalidInput, match=name) as caught:
        read(WRONG_KINDS[name])
    assert caught.value.reason == "CSV_HEADER_INVALID"


def test_only_the_first_problems_are_kept_and_all_are_counted():
    file, _ = read(b"vrm,reason\n" + b"*,x\n" * 250)
    assert (len(file.problems), file.rejected) == (MOST_ERRORS, 250)


@settings(deadline=None)
@given(
    st.integers(1, 40),
    st.lists(
        st.sampled_from(
            ["A1,x", ",x", 'B2,"y, z"', 'C3,"', 'x",', "D4,é", "", "Total,3", "vrm,reason", "E5"]
        ),
        max_size=12,
    ),
)
def test_where_the_chunks_end_makes_no_difference(size, lines):
    content = "\n".join(("vrm,reason", *lines)).encode()
    (file, entries), (cut, cut_entries) = read(content), read(content, size)
    assert entries == cut_entries
    assert (file.accepted, file.rejected, file.problems) == (cut.accepted, cut.rejected, cut.problems)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_it(content):
    try:
        file, entries = read(b"vrm,reason\n" + content, 7)
    except InvalidInput as fault:
        assert fault.reason == "CSV_HEADER_INVALID"  # noqa: PT017 - most contents raise nothing
        return
    assert len(entries) == file.accepted


def test_an_endless_line_takes_no_memory():
    file = HotlistFile()
    whole = Entries()
    add(whole, file.feed(b"vrm,reason\n"))
    for _ in range(100):
        add(whole, file.feed(b"x" * 65_536))
    assert len(file._table.lines._rest) <= 4 * MOST_LINE
    add(whole, file.feed(b"\nA1,x\n"))
    assert whole.vrms == ["A1"]
    assert file.problems[0].line == 2


def test_what_a_database_writes_for_no_value_is_no_value():
    rows = b"A1,x,NULL,NULL,null,NULL\nB1,NULL,,,,\nC1,y,nan,(null),,NaT\n"
    file, entries = read(b"vrm,reason,priority,markers,instruction,weed_date\n" + rows)
    assert (entries.priorities, entries.markers, entries.weed_dates) == (
        ["5"] * 2,
        [""] * 2,
        ["infinity"] * 2,
    )
    assert told(file.problems) == [(3, "reason", "it is a word for no value")]


def test_what_people_and_data_tools_write_for_no_value_is_no_value():
    rows = b'A1,x,N/A,none,-,None,n/a,-\nB1,x,1.0,,,,,\nC1,x,"2,0",,,,,\nD1,x,03,,,,,\n'
    _, entries = read(b"vrm,reason,priority,markers,instruction,make,colour,country\n" + rows)
    assert entries.priorities == ["5", "1", "2", "3"]
    assert (entries.markers[0], entries.instructions[0], entries.makes[0], entries.colours[0]) == ("",) * 4


@pytest.mark.parametrize(
    "cell", ["ARMED\nDRUGS", "{ARMED,DRUGS}", "['ARMED', 'DRUGS']", '["ARMED", "DRUGS"]', "ARMED|DRUGS|N/A"]
)
def test_markers_are_told_apart_however_a_tool_lists_them(cell):
    assert values.markers(cell) == "ARMED;DRUGS"


@pytest.mark.parametrize("content", [b'"vrm,reason"\n"A1,x"\n', b"vrm:reason\nA1:x\n"])
def test_a_header_in_one_column_is_told_how_columns_are_separated(content):
    with pytest.raises(InvalidInput, match="separate columns by commas"):
        read(content)


@pytest.mark.parametrize(
    ("column", "cells", "taken"),
    [
        ("Operation", ("ADD", "AMEND", "", "D", "DELETE", " deleted ", '"Cancelled"'), 3),
        ("record-status", ("LIVE", "Current", "Y", "WITHDRAWN", "Expired", "Not active", "WEEDED"), 3),
        ("Active", ("Y", "1", "", "N", "false", "0", "INACTIVE"), 3),
        ("Is Enabled", ("Y", "1", "", "N", "false", "0"), 3),
        ("deleted", ("N", "0", "2026-11-27", "Y", "true", "1", "t"), 3),
        ("action", ("Stop and delete", "DELETED?", "Removed from road", "DELETE", "remove", "Cancel"), 3),
    ],
)
def test_a_line_that_says_that_it_is_to_go_is_left_out_by_name(column, cells, taken):
    lines = (f"A{number},x,{cell}" for number, cell in enumerate(cells))
    file, entries = read("\n".join((f"vrm,reason,{column}", *lines)).encode())
    assert entries.vrms == [f"A{number}" for number in range(taken)]
    assert [(each.line, each.column) for each in file.problems] == [
        (number + 2, column) for number in range(taken, len(cells))
    ]
    assert all("so the line is left out" in each.message for each in file.problems)
    assert list(file.ignored_columns) == [column]
    assert file.not_in_force == file.rejected == len(cells) - taken


def test_a_column_that_is_mapped_says_nothing_of_its_line():
    file, entries = read(b"vrm,reason,action\nA1,x,DELETE\n", columns={"instruction": "action"})
    assert (entries.instructions, file.rejected) == (["DELETE"], 0)
