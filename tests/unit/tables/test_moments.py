"""Times as people and systems write them, and what they are called that are none."""

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.moments import NotATimeError, date_time, day_or_time, in_utc

FOUR = datetime(2026, 11, 27, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-27T04:00:00Z", "2026-11-27 04:00:00 UTC", "2026-11-27T04:00Z", "2026-11-27 05:00 +01:00"),
        *(
            "2026/11/27 4:00:00.000Z",
            "20261127040000",
            "202611270400",
            "20261127040000000",
            "20261127T040000Z",
        ),
        *(
            "2026-11-27 04:00:00 GMT",
            "'2026-11-27T04:00:00Z'",
            "\xa02026-11-27 04:00:00",
            '="2026-11-27 04:00"',
        ),
        *("2026:11:27 04:00:00", "2026-11-27T04:00:00+00:00[Europe/London]", "2026-11-27T03:00:00\u22120100"),
        *("2026-11-27T04:00:00.000000000Z", "2026-11-27T05:00:00+0100", "2026-11-27T05:00:00+01"),
    ],
)
def test_times_that_can_be_read_in_one_way_only(text: str) -> None:
    assert in_utc(date_time(text)) == FOUR


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("2026-11-27", "a date without a time of day; .*--map captured_at=DATE"),
        ("20261127", "a date without a time of day"),
        ("04:00:00", "a time without a date; .*--map captured_at=DATE"),
        ("27/11/2026 04:00", "day and month could be mistaken"),
        ("31/02/2026 04:00", "no day or hour of the calendar"),
        ("99/99/9999 04:00", "no day or hour of the calendar"),
        ("2026-11-31T04:00:00Z", "no day or hour of the calendar"),
        ("2026-11-27T25:00:00Z", "no day or hour of the calendar"),
        ("2026-11-27T04:00:00+0", "behind the date or the time that is no zone"),
        ("2026-11-27T04:00:00 (UTC)", "in letters"),
        ("2026-11-27, 04:00:00Z", "behind the date or the time that is no zone"),
        ("20261127 1230", "dropped its zeros"),
        ("20261127 40000", "dropped its zeros"),
        ("20261127 0400", "4 digits instead of 6"),
        ("20261127 0400Z", "4 digits instead of 6"),
        ("46353 0.25", "as spreadsheets count days"),
        ("1.795.000.000", "separators between its digits"),
        ("04:00:00 2026-11-27", "the time before the date"),
        ("2026", "a year without a day"),
        ("12/2026", "a month without a day"),
        ("11/27/2026 4:00:00 AM", "AM or PM"),
        ("Nov 27 2026 4:00AM", "AM or PM"),
        ("27-Nov-2026 04:00", "the name of a month"),
        ("46353.16", "a spreadsheet turned the date into it"),
        ("46353,16", "a spreadsheet turned the date into it"),
        ("1.7E+12", "a number with an exponent"),
        ("2.02611E+13", "a number with an exponent"),
        ("2026-11-27 04:00 BST", "a zone in letters"),
        ("2026-11-27 04:00 Europe/London", "a zone in letters"),
        ("2026-W48-5T04:00", "a week of the year"),
        ("#####", "a spreadsheet's error value"),
        ("2026-02-30T04:00", "no day or hour of the calendar"),
        ("2026-11-27T25:00", "no day or hour of the calendar"),
        ("yesterday", "is no time"),
        ("2026-11-27T24:00:00Z", "24:00 or a leap second"),
        ("2026-12-31T23:59:60Z", "24:00 or a leap second"),
        ("/Date(1795752000000+0000)/", "as .NET writes it"),
        ("2026-11-27 4:00:00 AM", "^is a time with AM or PM"),
        ("2026-11-27 00:00:00 04:00:01", "two times of day"),
        ("2026-11-27 1899-12-30 04:00", "another form|calendar"),
        ("2026-11-27Z", "a date without a time of day"),
        ("2026-11-27T04Z", "a time of day in another form"),
        ("2026-11-27 04-00-00", "a time of day in another form"),
        ("2026-11-27T04:00:00[Europe/London]", "in letters|calendar"),
    ],
)
def test_what_is_no_time_is_called_what_it_is(text: str, what: str) -> None:
    with pytest.raises(NotATimeError, match=what):
        date_time(text)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("31/12/2026", "write 2026-12-31$"),
        ("12/31/2026", "write 2026-12-31$"),
        ("31.12.26", "write 2026-12-31$"),
        ("04/05/2026", "write 2026-05-04 or 2026-04-05$"),
        ("31/31/2026", "write it like"),
        ("2026-W53-5", "a week of the year; write it like"),
        ("46387", "a spreadsheet turned the date into it; write it like"),
        ("2026-331", "a day of the year"),
        ("11.12.26", "day and month could be mistaken.* write 2026-12-11 or 2026-11-12$"),
        ("26-12-31", "write 2031-12-26 or 2026-12-31$"),
        ("31/12/2026 18:00", "write 2026-12-31 with a time of day"),
        ("2026-12", "a month without a day"),
        ("1798675200000", "counts from 1970"),
        ("0000-00-00", "a date of zeros"),
        ("00000000", "a date of zeros"),
        ("00/00/0000", "a date of zeros"),
        ("00.00.0000 00:00", "a date of zeros"),
    ],
)
def test_a_day_that_can_be_mistaken_is_answered_with_the_form_to_write(text: str, advice: str) -> None:
    with pytest.raises(NotATimeError, match=advice):
        day_or_time(text)


def test_days() -> None:
    assert [day_or_time(text) for text in ("2026-12-31", "20261231", "2026/12/31", "9999-12-31")] == [
        *[date(2026, 12, 31)] * 3,
        date.max,
    ]


@pytest.mark.parametrize(
    "text", ["2026-11-27T04:00:00+16:00", "0001-01-01T00:00:00+05:00", "9999-12-31T23:00-05:00"]
)
def test_times_that_would_overflow_are_named(text: str) -> None:
    with pytest.raises(NotATimeError, match=r"offset|out of range"):
        in_utc(date_time(text))


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_named(text: str) -> None:
    for read in (date_time, day_or_time):
        with suppress(NotATimeError):
            assert isinstance(read(text), date)
