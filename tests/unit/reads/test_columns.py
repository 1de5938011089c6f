"""Cutting, picking and joining runs of reads loses and changes nothing."""

import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns
from hypothesis import given
from hypothesis import strategies as st

from reads.columns import (
    ABSENT,
    ALL_OR_NONE,
    EVERY_READ,
    ColumnsUnequal,
    columns_of,
    count_of,
    joined,
    picked,
    require_equal,
    sliced,
    taken_images,
    with_images,
)
from reads.read import Read, read_at
from tests.unit.reads.strategies import runs


def rows(columns: ReadColumns) -> list[tuple[Read, bytes, bytes]]:
    """Everything that each read has."""
    return [
        (
            read_at("essex", columns, index),
            columns.plate_patches[index] if columns.plate_patches else b"",
            columns.overviews[index] if columns.overviews else b"",
        )
        for index in range(count_of(columns))
    ]


def test_the_names_are_all_columns_of_the_contract():
    names = {field.name for field in ReadColumns.DESCRIPTOR.fields}
    assert names == {"camera_ids", *EVERY_READ, *ALL_OR_NONE}


@given(runs(), st.data())
def test_slicing_takes_the_reads_between(run, data):
    count = count_of(run)
    start = data.draw(st.integers(0, count))
    stop = data.draw(st.integers(start, count))
    assert rows(sliced(run, start, stop)) == rows(run)[start:stop]
    require_equal(sliced(run, start, stop))


@given(runs(), st.data())
def test_picking_takes_the_reads_at_the_indexes(run, data):
    indexes = data.draw(st.lists(st.integers(0, count_of(run) - 1)) if run.read_ids else st.just([]))
    assert rows(picked(run, indexes)) == [rows(run)[index] for index in indexes]


@given(st.lists(runs(), max_size=4))
def test_joining_keeps_every_read_in_order(some):
    whole = joined(some)
    require_equal(whole)
    assert rows(whole) == [row for run in some for row in rows(run)]
    assert len(set(whole.camera_ids)) == len(whole.camera_ids)


@given(runs(least=1), st.data())
def test_parts_joined_are_the_whole(run, data):
    middle = data.draw(st.integers(0, count_of(run)))
    assert rows(joined([sliced(run, 0, middle), sliced(run, middle, count_of(run))])) == rows(run)


@given(runs())
def test_columns_built_from_values_hold_the_same_reads(run):
    built = columns_of(
        camera_ids=[run.camera_ids[index] for index in run.camera_indexes],
        **{name: list(getattr(run, name)) for name in (*EVERY_READ[1:], *ALL_OR_NONE)},
    )
    assert rows(built) == rows(run)


@pytest.mark.parametrize("name", ALL_OR_NONE)
def test_a_column_without_any_value_is_left_out(name):
    values = {column: [] for column in EVERY_READ[1:]}
    built = columns_of(camera_ids=[], **values, **{name: [ABSENT[name]] * 3})
    assert not getattr(built, name)


def test_columns_have_to_be_all_there_and_known():
    values = {column: [] for column in EVERY_READ[1:]}
    with pytest.raises(KeyError, match="vrms"):
        columns_of([], **{name: column for name, column in values.items() if name != "vrms"})
    with pytest.raises(ValueError, match="colour"):
        columns_of([], **values, colour=[])


@given(runs())
def test_images_are_taken_out_and_added_to_the_bytes_again(run):
    whole = rows(run)
    patches, overviews = taken_images(run)
    assert not run.plate_patches
    assert not run.overviews
    assert rows(ReadColumns.FromString(with_images(run.SerializeToString(), patches, overviews))) == whole


@given(runs(least=1), st.sampled_from([*EVERY_READ, *ALL_OR_NONE]))
def test_a_column_of_another_length_is_named(run, name):
    getattr(run, name).extend(list(getattr(run, name)) or [ABSENT[name]] * (count_of(run) + 1))
    if name == "read_ids":
        name = EVERY_READ[0]
    with pytest.raises(ColumnsUnequal) as unequal:
        require_equal(run)
    assert unequal.value.column == name
