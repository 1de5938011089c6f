"""Columns are chosen by width, and what identifies a read is never broken."""

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import output
from cli.grid import Column, Marked, fitted, lines
from cli.inert import folded, inert, width_of
from cli.live import LiveConsole

COLUMNS = (
    Column("captured (UTC)"),
    Column("plate"),
    Column("name", least=20, rank=1),
    Column("place", rank=3),
    Column("lane", right=True, rank=2),
    Column("position", right=True),
)
ROW = ("2025-03-01 12:00:00.000", "AB12CDE", "A12 junction 19 northbound slip", "51.50000 0.50000", "-", "7")
Terminal = Callable[[int], "Screen"]


class Screen(io.StringIO):
    """A terminal that keeps what it shows."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    def open_one(width: int) -> Screen:
        screen = Screen()
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("LINES", "24")
        monkeypatch.setenv("NO_COLOR", "1")
        return screen

    return open_one


@pytest.mark.parametrize("width", [80, 100, 132])
def test_no_line_is_wider_than_the_terminal_and_no_plate_is_broken(terminal: Terminal, width: int) -> None:
    screen = terminal(width)
    output.table(COLUMNS, [ROW] * 3)
    shown = screen.getvalue().splitlines()
    assert max(map(width_of, shown)) <= width
    for whole in ("2025-03-01 12:00:00.000", "AB12CDE", "position"):
        assert whole in screen.getvalue()


def test_what_says_nothing_and_what_is_wanted_least_is_left_out_and_named(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = terminal(80)
    output.table(COLUMNS, [ROW])
    assert "lane" not in screen.getvalue()
    assert "51.50000" not in screen.getvalue()
    assert "not shown at 80 columns: place, lane; a wider terminal" in capsys.readouterr().err


def test_what_fits_beside_the_others_is_taken_back(terminal: Terminal) -> None:
    screen = terminal(30)
    columns = (Column("id"), Column("long", rank=1), Column("short", rank=2))
    output.table(columns, [("A1", "x" * 40, "y")])
    assert screen.getvalue().splitlines()[-1] == "A1  y"


def test_a_wide_terminal_shows_all_without_a_word(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = terminal(200)
    output.table(COLUMNS, [ROW])
    assert all(text in screen.getvalue() for text in ROW)
    assert capsys.readouterr().err == ""


def test_where_no_columns_fit_each_row_is_a_list(terminal: Terminal) -> None:
    screen = terminal(30)
    output.table(COLUMNS, [ROW])
    assert "captured (UTC)  2025-03-01 12:00:00.000\n" in screen.getvalue()
    assert "plate           AB12CDE\n" in screen.getvalue()


def test_a_pipe_gets_whole_rows(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = "x" * 500
    output.table((*COLUMNS, "note"), [(*ROW, long)])
    shown = capsys.readouterr().out.splitlines()[-1]
    assert long in shown
    assert all(text in shown for text in ROW)


def test_a_style_is_for_terminals_only(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output.say(Marked("AB12CDE", "plate"))
    assert capsys.readouterr().out == "AB12CDE\n"
    screen = terminal(80)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    output.say("a ", Marked("AB12CDE", "plate"))
    assert screen.getvalue() == "a \x1b[1;30;43mAB12CDE\x1b[0m\n"


def test_a_terminal_that_cannot_show_a_letter_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.table(("name",), [("Müller",)])
    assert raw.getvalue().splitlines()[-1] == b"M?ller"


letters = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(deadline=None)
@given(letters)
def test_harmless_text_is_one_printable_line(text: str) -> None:
    assert inert(text).isprintable()
    assert inert(inert(text)) == inert(text)


@settings(deadline=None)
@given(letters, st.integers(2, 20))
def test_folding_keeps_every_letter_within_the_width(text: str, width: int) -> None:
    text = inert(text)
    found = list(folded(text, width))
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(width_of(line) <= width for line in found)


@settings(deadline=None)
@given(st.lists(st.lists(letters, min_size=6, max_size=6), min_size=1, max_size=4), st.integers(1, 200))
def test_rows_fit_whatever_they_hold(rows: list[list[str]], width: int) -> None:
    grid = fitted(COLUMNS, rows, width)
    for row in rows if grid.shown else ():
        for line in lines(COLUMNS, row, grid):
            assert sum(width_of(cell.text) for cell in line) + 2 * (len(line) - 1) <= width


@pytest.mark.parametrize(("text", "width"), [("AB12", 4), ("警察", 4), ("é", 1), ("e\u0301", 1), ("", 0)])
def test_widths(text: str, width: int) -> None:
    assert width_of(text) == width


def test_columns_by_name_alone_are_always_shown(capsys: pytest.CaptureFixture[str]) -> None:
    table: Any = output.table
    table(("a", "n"), [("x", "1"), ("y", "22")], right=("n",), title="Two")
    assert capsys.readouterr().out == "Two\na   n\n─────\nx   1\ny  22\n"


def test_the_end_of_a_pipes_reader_is_the_same_for_tables_of_rich() -> None:
    """rich alone would end with exit code 1, which `status` uses for trouble."""
    with pytest.raises(BrokenPipeError):
        LiveConsole().on_broken_pipe()
