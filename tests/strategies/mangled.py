"""Strategies of plates, times and rows, whole and as spreadsheets, exports and cameras mangle them."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

_LETTERS = "ABCDEFGHJKLMNOPRSTUVWXYZ"
_INVISIBLE = ["\u200b", "\u200e", "\u202c", "\u2060", "\ufeff", "\xa0", " ", "\t"]
_GUARDS: Sequence[Callable[[str], str]] = (
    lambda text: text,
    lambda text: f"'{text}",
    lambda text: f"'{text}'",
    lambda text: f'"{text}"',
    lambda text: f'="{text}"',
    lambda text: f"“{text}”",
)


def plates() -> st.SearchStrategy[str]:
    """Plates of the present British form, normalised."""
    return st.from_regex(rf"\A[{_LETTERS}]{{2}}[0-9]{{2}}[{_LETTERS}]{{3}}\Z")


@st.composite
def written_plates(draw: st.DrawFn, vrm: str) -> str:
    """A plate as people and systems write it, of which the reader has to make the same plate again."""
    text = draw(st.sampled_from([vrm, f"{vrm[:4]} {vrm[4:]}", f"{vrm[:4]}-{vrm[4:]}", vrm.lower()]))
    text = draw(st.sampled_from(_GUARDS))(text)
    ends = st.lists(st.sampled_from(_INVISIBLE), max_size=2).map("".join)
    return draw(ends) + text + draw(ends)


def mangled_plates() -> st.SearchStrategy[str]:
    """What spreadsheets and data tools make of plates: never a plate again."""
    months = st.sampled_from(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    )
    day = st.integers(1, 28)
    return st.one_of(
        st.builds(lambda number, month: f"{number}-{month}", day, months),
        st.builds(lambda number, month: f"{month}-{number:02}", day, months),
        st.builds(lambda number: f"{number}.0", st.integers(1, 9_999_999)),
        st.builds(lambda first, power: f"{first}.00E+{power:02}", st.integers(1, 9), st.integers(1, 99)),
        st.builds(lambda number, month: f"{number:02}/{month:02}/2026", day, st.integers(1, 12)),
        st.sampled_from(["#N/A", "#REF!", "#VALUE!", "#####"]),
    )


def moments() -> st.SearchStrategy[datetime]:
    """Times of our days, to the second, in UTC."""
    return st.integers(0, 3 * 365 * 86_400).map(
        lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    )


@st.composite
def written_times(draw: st.DrawFn, moment: datetime) -> str:
    """A time in UTC in a form that can be read in one way only."""
    form = draw(
        st.sampled_from(
            (
                *("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S UTC"),
                *("%Y%m%d%H%M%S", "%Y%m%dT%H%M%SZ", "%Y%m%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.000+00:00"),
            )
        )
    )
    return draw(st.sampled_from(_GUARDS))(moment.strftime(form))


@st.composite
def mangled_times(draw: st.DrawFn) -> str:
    """What spreadsheets, locales and exports make of times: never a time again."""
    moment = draw(moments())
    serial = (moment - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(days=1)
    return draw(
        st.sampled_from(
            [
                *(f"{serial:.2f}", f"{serial:.0f}", f"{serial:.5f}".replace(".", ","), "########"),
                *(
                    f"{moment.timestamp() * 1000:.5E}",
                    moment.strftime("%d/%m/%Y %H:%M"),
                    moment.strftime("%d.%m.%y"),
                ),
                *(moment.strftime("%m/%d/%Y %I:%M:%S %p"), moment.strftime("%d-%b-%Y %H:%M")),
                *(moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S"), moment.strftime("%G-W%V-%u")),
                moment.strftime("%Y-%m-%d %H:%M:%S BST"),
            ]
        )
    )


@st.composite
def exported(draw: st.DrawFn, header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A table as some program exports it: delimiter, quotes, line ends, encoding, lines that are no data."""
    delimiter, end = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    written = io.StringIO()
    if draw(st.booleans()):
        written.write(f"sep={delimiter}{end}")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(header)
    for row in rows:
        if draw(st.integers(0, 9)) == 0:
            writer.writerow(
                draw(st.sampled_from([header, ["Total", "12"], [""] * len(header), [f"({len(rows)} rows)"]]))
            )
        writer.writerow([*row, *[""] * draw(st.integers(0, 2))])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    return written.getvalue().encode(encoding)
