"""An append goes through the log as bytes, and its columns are parsed only when asked for."""

import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.log_pb2 import AppendedReads, TailReadsResponse
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from reads.appended import Appended, appends_of, encoded_appended
from reads.columns import count_of, sliced, taken_images
from reads.traced import Traced
from tests.unit.reads.strategies import runs


@st.composite
def positions_of(draw: st.DrawFn, count: int) -> list[int]:
    """Ascending positions, with gaps or without."""
    start = draw(st.integers(1, 2**40))
    if draw(st.booleans()):
        return list(range(start, start + count))
    steps = draw(st.lists(st.integers(1, 3), min_size=count - 1, max_size=count - 1))
    return [start, *(start := start + step for step in steps)]


@given(runs(least=1), st.data())
def test_what_was_put_in_comes_out(run, data):
    positions = data.draw(positions_of(count_of(run)))
    traced = [Traced("00-ab-cd-01", positions[0], positions[-1])]
    appended = Appended(encoded_appended(run.SerializeToString(), positions, traced, 42))
    assert list(appended.positions) == positions
    assert (appended.first, appended.last) == (positions[0], positions[-1])
    assert (appended.count, appended.traceparent, appended.received_at_us) == (
        len(positions),
        "00-ab-cd-01",
        42,
    )
    assert appended.encoded == run.SerializeToString()
    assert appended.columns == run


@given(runs(least=1), st.data())
def test_a_slice_has_the_reads_and_positions_between(run, data):
    positions = data.draw(positions_of(count_of(run)))
    start = data.draw(st.integers(0, count_of(run) - 1))
    stop = data.draw(st.integers(start + 1, count_of(run)))
    traced = [Traced("00-ab-cd-01", positions[0], positions[-1])]
    whole = Appended(encoded_appended(run.SerializeToString(), positions, traced, 42))
    part = whole.sliced(start, stop)
    assert list(part.positions) == positions[start:stop]
    assert part.columns == sliced(run, start, stop)
    assert (part.count, part.traceparent, part.received_at_us) == (stop - start, "00-ab-cd-01", 42)


def test_a_slice_of_everything_is_the_append_itself():
    appended = Appended(encoded_appended(b"never parsed", [7, 8], (), 0))
    assert appended.sliced(0, 2) is appended


@given(runs(least=1))
def test_images_are_added_without_parsing_the_reads(run):
    whole = ReadColumns.FromString(run.SerializeToString())
    patches, overviews = taken_images(run)
    positions = range(5, 5 + count_of(run))
    appended = Appended(encoded_appended(run.SerializeToString(), positions, (), 0))
    illustrated = Appended(appended.with_images(patches, overviews))
    assert illustrated.columns.vrms == whole.vrms
    for name in ("plate_patches", "overviews"):
        before = getattr(whole, name)
        assert getattr(illustrated.columns, name) == (before if any(before) else [])


@given(runs(least=2))
def test_what_is_cut_from_a_canary_or_gets_images_stays_one(run):
    count = count_of(run)
    for canary in (False, True):
        encoded = encoded_appended(run.SerializeToString(), range(5, 5 + count), (), 0, canary=canary)
        whole = Appended(encoded)
        parts = whole, whole.sliced(0, 1), Appended(whole.with_images([b"x"] * count, [b""] * count))
        assert [each.canary for each in parts] == [canary] * 3


def test_an_append_of_a_release_before_is_no_canary():
    assert not Appended(AppendedReads(count=3, first_position=7).SerializeToString()).canary


def test_consecutive_positions_cost_nothing():
    encoded = encoded_appended(b"", range(10, 5_010), (), 0)
    assert not AppendedReads.FromString(encoded).positions
    assert len(encoded) < 10


def test_columns_are_parsed_only_when_asked_for():
    appended = Appended(encoded_appended(b"\xff", [1], (), 0))
    assert (appended.count, appended.encoded) == (1, b"\xff")
    with pytest.raises(DecodeError):
        _ = appended.columns


def test_columns_are_parsed_once():
    appended = Appended(encoded_appended(b"", [1], (), 0))
    assert appended.columns is appended.columns


def test_the_appends_of_a_part_of_the_log_come_in_order():
    response = TailReadsResponse(appends=[encoded_appended(b"", [number], (), 0) for number in (3, 5)])
    assert [appended.first for appended in appends_of(response)] == [3, 5]


def test_each_trace_stays_with_its_own_reads():
    run = ReadColumns(
        camera_ids=["c"],
        camera_indexes=[0] * 5,
        read_ids=list("abcde"),
        captured_at_us=[1] * 5,
        vrms=["AB12CDE"] * 5,
        confidences=[0.5] * 5,
        latitudes_e7=[1] * 5,
        longitudes_e7=[2] * 5,
    )
    # The read at 12 is a duplicate, which leaves a gap: nothing is left of the second trace.
    traced = [Traced("one", 10, 11), Traced("two", 12, 12), Traced("three", 14, 15)]
    whole = Appended(encoded_appended(run.SerializeToString(), [10, 11, 13, 14, 15], traced, 42))
    assert (whole.traceparent, list(whole.traced)) == ("one", [traced[0], traced[2]])
    assert list(whole.sliced(0, 2).traced) == [Traced("one", 10, 11)]
    assert list(whole.sliced(2, 3).traced) == []
    last = whole.sliced(4, 5)
    assert (last.traceparent, [each.traceparent for each in last.traced]) == ("three", ["three"])
    assert list(Appended(whole.with_images([b""] * 5, [b"x"] * 5)).traced) == [traced[0], traced[2]]


def test_the_trace_of_an_append_of_a_release_before_is_that_of_all_its_reads():
    appended = Appended(
        AppendedReads(count=3, first_position=7, traceparent="00-ab-cd-01").SerializeToString()
    )
    assert list(appended.traced) == [Traced("00-ab-cd-01", 7, 9)]
