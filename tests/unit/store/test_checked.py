"""What may be appended is checked once, and refused without quoting it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns

from chassis.errors import InvalidInput
from services.store.days import US_A_DAY
from services.store.log.checked import MOST_READS, checked

NOW_US = 1_750_000_000_000_000


def reads(size: int = 3) -> ReadColumns:
    return ReadColumns(
        camera_ids=["a12-east"],
        camera_indexes=[0] * size,
        read_ids=[f"r{index}" for index in range(size)],
        captured_at_us=[NOW_US + index for index in range(size)],
        vrms=["AB12CDE"] * size,
        confidences=[0.5] * size,
        latitudes_e7=[1] * size,
        longitudes_e7=[2] * size,
    )


def test_images_are_taken_out() -> None:
    columns = reads()
    columns.plate_patches.extend([b"1", b"", b"3"])
    append = checked("essex", columns.SerializeToString(), NOW_US)
    assert (append.count, append.patches, append.overviews) == (3, [b"1", b"", b"3"], [])
    assert append.has_images
    assert append.columns == reads()
    assert ReadColumns.FromString(append.serialised()) == reads()
    assert append.size == columns.ByteSize()


def test_reads_without_images_are_passed_on_as_they_came() -> None:
    # A field of a later release stays where it is.
    encoded = reads().SerializeToString() + b"\xfa\x06\x03new"
    append = checked("essex", encoded, NOW_US)
    assert append.serialised() is encoded


def test_bytes_that_are_not_columns_are_refused() -> None:
    with pytest.raises(InvalidInput, match="MALFORMED_MESSAGE"):
        checked("essex", b"\xff\xff", NOW_US)


BREAKS: list[tuple[str, Callable[[ReadColumns], object], str]] = [
    ("COLUMNS_UNEQUAL", lambda columns: columns.vrms.pop(), "reads.vrms"),
    ("COLUMNS_UNEQUAL", lambda columns: columns.camera_indexes.append(0), "reads.camera_indexes"),
    ("COLUMNS_UNEQUAL", lambda columns: columns.headings.append(1), "reads.headings"),
    ("COLUMNS_UNEQUAL", lambda columns: columns.details.extend([b""] * 2), "reads.details"),
    ("COLUMNS_UNEQUAL", lambda columns: columns.plate_patches.extend([b""] * 4), "reads.plate_patches"),
    ("COLUMNS_UNEQUAL", lambda columns: columns.camera_indexes.__setitem__(0, 1), "reads.camera_indexes"),
    ("READS_INVALID", lambda columns: columns.camera_ids.__setitem__(0, "a b"), "reads.camera_ids"),
    ("READS_INVALID", lambda columns: columns.read_ids.__setitem__(0, ""), "reads.read_ids"),
    ("READS_INVALID", lambda columns: columns.read_ids.__setitem__(0, "a\nb"), "reads.read_ids"),
    ("READS_INVALID", lambda columns: columns.read_ids.__setitem__(0, "a\0"), "reads.read_ids"),
    ("READS_INVALID", lambda columns: columns.read_ids.__setitem__(0, "x" * 129), "reads.read_ids"),
    ("READS_INVALID", lambda columns: columns.vrms.__setitem__(0, "ab12"), "reads.vrms"),
    ("READS_INVALID", lambda columns: columns.vrms.__setitem__(0, "A" * 13), "reads.vrms"),
    (
        "READS_INVALID",
        lambda columns: columns.captured_at_us.__setitem__(0, NOW_US + 3 * US_A_DAY),
        "reads.captured_at_us",
    ),
    ("READS_INVALID", lambda columns: columns.captured_at_us.__setitem__(0, -1), "reads.captured_at_us"),
    ("READS_INVALID", lambda columns: columns.headings.extend([361, 0, 0]), "reads.headings"),
    ("READS_INVALID", lambda columns: columns.details.extend([b"x" * 513, b"", b""]), "reads.details"),
]


@pytest.mark.parametrize(("reason", "spoil", "field"), BREAKS)
def test_what_is_wrong_is_named(reason: str, spoil: Callable[[ReadColumns], object], field: str) -> None:
    columns = reads()
    spoil(columns)
    with pytest.raises(InvalidInput) as refused:
        checked("essex", columns.SerializeToString(), NOW_US)
    assert (refused.value.reason, refused.value.field) == (reason, field)
    assert "AB12" not in str(refused.value)


def test_a_canary_is_one_read_and_stays_as_it_came() -> None:
    encoded = reads(1).SerializeToString()
    append = checked("essex", encoded, NOW_US, canary=True)
    assert (append.canary, append.count, append.has_images) == (True, 1, False)
    assert append.serialised() is encoded
    assert not checked("essex", encoded, NOW_US).canary


NO_CANARIES: list[tuple[str, int, Callable[[ReadColumns], object]]] = [
    ("canary.read_ids", 0, lambda _: None),
    ("canary.read_ids", 2, lambda _: None),
    ("canary.plate_patches", 1, lambda columns: columns.plate_patches.append(b"x")),
    ("canary.overviews", 1, lambda columns: columns.overviews.append(b"x")),
]


@pytest.mark.parametrize(("field", "size", "spoil"), NO_CANARIES)
def test_what_is_no_canary_is_named(field: str, size: int, spoil: Callable[[ReadColumns], object]) -> None:
    columns = reads(size)
    spoil(columns)
    encoded = columns.SerializeToString()
    checked("essex", encoded, NOW_US)
    with pytest.raises(InvalidInput) as refused:
        checked("essex", encoded, NOW_US, canary=True)
    assert (refused.value.reason, refused.value.field) == ("CANARY_INVALID", field)
    assert "AB12" not in str(refused.value)


def test_a_canary_is_checked_like_any_read() -> None:
    columns = reads(1)
    columns.vrms[0] = "ab12"
    with pytest.raises(InvalidInput, match="READS_INVALID"):
        checked("essex", columns.SerializeToString(), NOW_US, canary=True)


def test_too_many_reads_are_refused() -> None:
    with pytest.raises(InvalidInput, match="TOO_MANY_READS"):
        checked("essex", reads(MOST_READS + 1).SerializeToString(), NOW_US)
