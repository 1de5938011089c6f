"""Lines of a hotlist that are taken together are taken as each by itself."""

from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.match.hotlists import values
from services.match.hotlists.hotlist_file import HotlistFile
from tables.faults import RowError
from tests.unit.match.hotlist_files import read, told

PLATES = ("AB12CDE", "AB12 CDE", "CD34EFG", "XY99 ZZZ", "01-ABC-2", "WHITEVAN")
ODD_PLATES = (
    "ab12cde",
    "AB12CDE (NLD)",
    "AB12CDE / CD34EFG",
    "AB12 CDE Ford",
    "GREY FORD",
    "FORDTRANSIT",
    "Total VRMs",
    "UNKNOWN",
    "10-Mar",
    "",
    " ",
    "Total",
    "rows",
    "vrm",
    '"A1"',
    '="0123"',
)
TEXTS = ("Stolen", "Seen near a bank", "x", "Überfall")
ODD_TEXTS = (
    "",
    " x ",
    "#REF!",
    "=1",
    '="7"',
    "NULL",
    "a\tb",
    "a\x07b",
    "C:\\x",
    '"a, b"',
    '"',
    'a"b',
    "é" * 501,
)
WORDS_OF_COLUMNS = (
    (PLATES, ODD_PLATES),
    (TEXTS, ODD_TEXTS),
    (("1", "5", ""), ("0", " 3", "NULL", "high")),
    (("ARMED", "A;B", ""), ("A|B", "A;;B ", "x" * 41)),
    (("stop", ""), ODD_TEXTS),
    (("", "2027-01-31"), ("2020-01-31", "31/12/2027", "46353.25", "2027-01-31 12:00", "ongoing")),
    (("FORD", ""), (" Ford", "#N/A", "x" * 41)),
    (("LIVE", ""), ("DELETED", " inactive ", '"withdrawn"')),
    (("Y", "true"), ("N", "0", "")),
)
HEADER = "vrm,reason,priority,markers,instruction,weed_date,make,status,active"
ODD_LINES = (
    "",
    ",,,,,,,,",
    HEADER,
    HEADER.replace(",", ";"),
    f'"{HEADER}"',
    "AB1",
    "A1,x",
    "AB1;x;5;;;;;;Y",
    '"AB1,x,5,,,,,,Y"',
    "AB1,x,5,,,,,,Y,more",
    "Total VRMs,5,,,,,,,",
    "(2 rows)",
    "---",
)


@st.composite
def odd_lists(draw: st.DrawFn) -> str:
    """A long list of plain lines, with some that are not."""
    random = Random(draw(st.integers(0, 1 << 32)))
    oddity = draw(st.sampled_from([0.0, 0.002, 0.05]))
    lines = [HEADER]
    for _ in range(draw(st.integers(1, 1500))):
        if random.random() < oddity:
            lines.append(random.choice(ODD_LINES))
        else:
            cells = [
                random.choice(odd if random.random() < oddity else plain) for plain, odd in WORDS_OF_COLUMNS
            ]
            lines.append(",".join(cells))
    return "\n".join(lines)


@settings(max_examples=25, deadline=None)
@given(odd_lists())
def test_lines_that_are_taken_together_are_taken_as_each_by_itself(content: str):
    together, entries = read(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tables.table.plain_columns", lambda *_: None)
        alone, expected = read(content.encode())
    assert entries == expected
    assert told(together.problems) == told(alone.problems)
    assert told(together.remarks) == told(alone.remarks)
    assert (together.accepted, together.rejected) == (alone.accepted, alone.rejected)
    assert together.furniture == alone.furniture


GROUPS = st.lists(
    st.one_of(st.text("ABZ", min_size=1, max_size=6), st.text("019", min_size=1, max_size=4)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(st.builds(str.join, st.sampled_from((" ", "", "-", " / ")), GROUPS))
@example("GREY FORD")
def test_a_plate_among_plain_ones_is_judged_as_by_itself(cell: str):
    def outcome(cells: list[str]) -> tuple[str, str] | str:
        try:
            vrms, countries = values.plates(cells)
        except RowError as fault:
            return fault.message
        return vrms[-1], countries[-1]

    try:
        alone: tuple[str, str] | str = values.plate(cell)
    except RowError as fault:
        alone = fault.message
    assert outcome(["AB12CDE", "AB12 CDE", cell]) == alone


def test_plain_lines_are_taken_together(monkeypatch):
    content = "vrm,reason\n" + "".join(f"AB{number},Seen once\n" for number in range(3000))
    monkeypatch.setattr(HotlistFile, "_take", lambda *_: pytest.fail("a line was taken by itself"))
    file, _ = read(content.encode(), 64 * 1024)
    assert file.accepted == 3000


def test_plain_lines_that_say_that_they_are_in_force_are_taken_together(monkeypatch):
    content = "vrm,reason,status\n" + "".join(f"AB{number},Seen once,LIVE\n" for number in range(3000))
    monkeypatch.setattr(HotlistFile, "_take", lambda *_: pytest.fail("a line was taken by itself"))
    file, _ = read(content.encode(), 64 * 1024)
    assert file.accepted == 3000
