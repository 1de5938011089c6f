"""Whatever a spreadsheet, an export or a camera did to a file: the same values, or none; never others."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anpr.plate import understand
from anpr.vrm import VrmMangled
from cli.replay.times import Clock, us_of
from tables.cells import bare
from tables.columns import Wanted
from tables.faults import RowError
from tables.moments import NotATimeError, date_time
from tables.table import Table
from tests.strategies.mangled import (
    exported,
    mangled_plates,
    mangled_times,
    moments,
    plates,
    written_plates,
    written_times,
)

WANTED = Wanted(("vrm", "reason"), ("more",))
_PART = st.text(alphabet="abc ,;\"|é'", max_size=8).map(lambda text: f"x{text}x")
# One line break at most: a line inside a text that is a row by itself makes the text be refused.
_TEXTS = st.lists(_PART, min_size=1, max_size=2).map("\n".join)


@given(st.data(), plates())
def test_a_plate_stays_the_same_plate_however_it_is_written(data: st.DataObject, vrm: str) -> None:
    assert understand(bare(data.draw(written_plates(vrm)))).vrm == vrm


@given(mangled_plates())
def test_what_is_no_plate_any_more_is_refused_as_mangled(text: str) -> None:
    with pytest.raises(VrmMangled):
        understand(bare(text))


@given(st.data(), moments())
def test_a_time_stays_the_same_time_however_it_is_written(data: st.DataObject, moment: datetime) -> None:
    found = date_time(data.draw(written_times(moment)))
    assert found.replace(tzinfo=UTC) == moment


@given(mangled_times())
def test_what_is_no_time_any_more_is_refused_and_never_redated(text: str) -> None:
    with pytest.raises(NotATimeError):
        Clock().reader()(text)


@given(st.data(), moments())
def test_replay_reads_every_form_to_the_same_moment(data: st.DataObject, moment: datetime) -> None:
    assert Clock().reader()(data.draw(written_times(moment))) == us_of(moment)


@settings(deadline=None)
@given(st.data(), st.lists(st.tuples(plates(), _TEXTS), min_size=1, max_size=8), st.integers(1, 99))
def test_an_export_gives_the_rows_that_went_into_it(
    data: st.DataObject, rows: list[tuple[str, str]], size: int
) -> None:
    content = data.draw(exported(("VRM", "Reason", "more"), rows))
    table = Table(WANTED, longest=8192)
    found: list[Any] = []
    for start in range(0, len(content), size):
        found += table.feed(content[start : start + size])
    found += table.finish()
    values = [each if isinstance(each, RowError) else (each[0], each[1].strip()) for _, _, each in found]
    assert values == [(vrm, reason.strip()) for vrm, reason in rows]
