"""Checking by columns and read by read agree on every batch, and a bad read costs only itself."""

from __future__ import annotations

import math
from typing import Any

import pytest
from gantry.common.v1.read_pb2 import Position, ReadDetails
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_MOBILE
from gantry.store.v1.forces_pb2 import ForceSettings, WordList
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from reads.columns import PLACE_UNKNOWN
from services.ingest.cameras.expectation import rules_from
from services.ingest.cameras.feeds import Camera, Feed
from services.ingest.checking.batch import ImageLimits, check_batch, columns_of_right_reads
from services.ingest.checking.read import AHEAD_US, OLDEST_US, checked_row
from services.ingest.checking.rejections import MALFORMED, ReadRejected

NOW_US = 1_790_000_000_000_000
LATEST_US = NOW_US + AHEAD_US
LIMITS = ImageLimits(3_072, 25_600)
JPEG = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffc0000b080001000101011100ffda00080101003f00d2ffd9"
)


def feed() -> Feed:
    made = Feed("essex", "gateway")
    made.add(Camera("fixed", enabled=True, latitude_e7=515_000_000, longitude_e7=-1_000_000))
    made.add(Camera("mobile", enabled=True, kind=CAMERA_KIND_MOBILE))
    made.add(Camera("off", enabled=False))
    return made


def good(**changes: Any) -> pb.SubmittedRead:
    fields: dict[str, Any] = {
        "camera_id": "fixed",
        "read_id": "r1",
        "captured_at": Timestamp(seconds=NOW_US // 1_000_000, nanos=123_456_789),
        "vrm": "AB12CDE",
        "confidence": 0.5,
    }
    return pb.SubmittedRead(
        **{name: value for name, value in {**fields, **changes}.items() if value is not None}
    )


REJECTED = [
    ({"vrm": ""}, "VRM_EMPTY", "vrm"),
    ({"vrm": " -."}, "VRM_EMPTY", "vrm"),
    ({"vrm": "AB12CDE!"}, "VRM_INVALID", "vrm"),
    ({"vrm": "A" * 13}, "VRM_INVALID", "vrm"),
    ({"vrm": "\u0410\u0412 12 \u0421\u041e\u0415"}, "VRM_INVALID", "vrm"),
    ({"vrm": "UNKNOWN"}, "VRM_NOT_READ", "vrm"),
    ({"vrm": "no plate"}, "VRM_NOT_READ", "vrm"),
    ({"vrm": "N/A"}, "VRM_NOT_READ", "vrm"),
    ({"vrm": "???"}, "VRM_NOT_READ", "vrm"),
    ({"vrm": "10-Mar"}, "VRM_MANGLED", "vrm"),
    ({"vrm": "123456.0"}, "VRM_MANGLED", "vrm"),
    ({"vrm": "1E+05"}, "VRM_MANGLED", "vrm"),
    ({"vrm": "#N/A"}, "VRM_MANGLED", "vrm"),
    ({"captured_at": None}, "TIME_INVALID", "captured_at"),
    ({"captured_at": Timestamp(seconds=1, nanos=-1)}, "TIME_INVALID", "captured_at"),
    ({"captured_at": Timestamp(seconds=1_700_000_000, nanos=1_000_000_000)}, "TIME_INVALID", "captured_at"),
    ({"captured_at": Timestamp(seconds=2**62)}, "TIME_INVALID", "captured_at"),
    ({"captured_at": Timestamp(seconds=-(2**62))}, "TIME_INVALID", "captured_at"),
    ({"captured_at": Timestamp(seconds=LATEST_US // 1_000_000 + 1)}, "TIME_IN_FUTURE", "captured_at"),
    (
        {"captured_at": Timestamp(seconds=OLDEST_US // 1_000_000 - 1, nanos=999_999_999)},
        "TIME_TOO_OLD",
        "captured_at",
    ),
    ({"captured_at": Timestamp()}, "TIME_TOO_OLD", "captured_at"),
    ({"camera_id": "other"}, "CAMERA_UNKNOWN", "camera_id"),
    ({"camera_id": ""}, "CAMERA_UNKNOWN", "camera_id"),
    ({"camera_id": "off"}, "CAMERA_DISABLED", "camera_id"),
    ({"force": "kent"}, "WRONG_FORCE", "force"),
    ({"position": Position(latitude=90.1)}, "POSITION_INVALID", "position"),
    ({"position": Position(longitude=-180.1)}, "POSITION_INVALID", "position"),
    ({"position": Position(latitude=math.nan, longitude=1)}, "POSITION_INVALID", "position"),
    ({"position": Position(latitude=1, longitude=math.inf)}, "POSITION_INVALID", "position"),
    ({"confidence": 1.01}, "CONFIDENCE_INVALID", "confidence"),
    ({"confidence": -0.01}, "CONFIDENCE_INVALID", "confidence"),
    ({"confidence": math.nan}, "CONFIDENCE_INVALID", "confidence"),
    ({"heading": 360}, "HEADING_INVALID", "heading"),
    ({"heading": 2**32 - 1}, "HEADING_INVALID", "heading"),
    ({"read_id": ""}, "READ_ID_INVALID", "read_id"),
    ({"read_id": "x" * 129}, "READ_ID_INVALID", "read_id"),
    ({"read_id": "a\0b"}, "READ_ID_INVALID", "read_id"),
    ({"details": ReadDetails(lane=33)}, "DETAILS_INVALID", "details"),
    ({"details": ReadDetails(direction=3)}, "DETAILS_INVALID", "details"),
    ({"details": ReadDetails(speed_kph=-1)}, "DETAILS_INVALID", "details"),
    ({"details": ReadDetails(speed_kph=math.nan)}, "DETAILS_INVALID", "details"),
    ({"details": ReadDetails(plate_country="gb")}, "DETAILS_INVALID", "details"),
    ({"details": ReadDetails(vehicle_make="FO\nRD")}, "DETAILS_INVALID", "details"),
    ({"details": ReadDetails(vehicle_model="FO\x1b[31m")}, "DETAILS_INVALID", "details"),
    ({"details": ReadDetails(vehicle_class="x" * 512)}, "DETAILS_INVALID", "details"),
]

ACCEPTED = [
    {},
    {"vrm": "ab-12 c.de"},
    {"force": "essex"},
    {"heading": 0},
    {"heading": 359},
    {"confidence": 0.0},
    {"confidence": 1.0},
    {"camera_id": "mobile"},
    {"position": Position(latitude=-90, longitude=180)},
    {"position": Position(latitude=0, longitude=0.5)},
    {"captured_at": Timestamp(seconds=LATEST_US // 1_000_000)},
    {"captured_at": Timestamp(seconds=OLDEST_US // 1_000_000)},
    {"details": ReadDetails()},
    {"details": ReadDetails(lane=32, direction=2, speed_kph=500, plate_country="GB", vehicle_make="Škoda")},
]


def judged(reads: list[pb.SubmittedRead], at_us: int = LATEST_US) -> Any:
    return check_batch(reads, {}, feed(), at_us, LIMITS)


@pytest.mark.parametrize(("changes", "reason", "field"), REJECTED)
@pytest.mark.parametrize("others", [0, 20])
def test_a_bad_read_is_named_and_costs_nothing_good(
    changes: dict[str, Any], reason: str, field: str, others: int
) -> None:
    reads = [good() for _ in range(others)]
    reads.insert(others // 2, good(**changes))
    verdict = judged(reads)
    assert verdict.kept == others
    (rejection,) = verdict.rejections
    assert pb.RejectionReason.Name(rejection.reason) == f"REJECTION_REASON_{reason}"
    assert (rejection.index, rejection.field) == (others // 2, field)
    assert rejection.message
    assert all(len(column) == others for column in verdict.as_columns())


@pytest.mark.parametrize("changes", ACCEPTED)
@pytest.mark.parametrize("others", [0, 20])
def test_a_good_read_is_kept(changes: dict[str, Any], others: int) -> None:
    verdict = judged([good() for _ in range(others)] + [good(**changes)])
    assert (verdict.kept, len(verdict.rejections)) == (others + 1, 0)


@pytest.mark.parametrize("count", [1, 50])
def test_what_is_kept(count: int) -> None:
    read = good(
        vrm="ab12 cde",
        position=Position(latitude=51.1234567, longitude=-0.7654321),
        heading=0,
        details=ReadDetails(lane=2),
    )
    columns = judged([read] * count).as_columns()
    row = ("fixed", "r1", NOW_US + 123_456, "AB12CDE", 0.5, 511_234_567, -7_654_321, 0, b"\x08\x02", b"", b"")
    assert list(zip(*columns, strict=True)) == [row] * count


@pytest.mark.parametrize("count", [1, 50])
def test_a_fixed_camera_lends_its_place(count: int) -> None:
    columns = judged([good(), good(camera_id="mobile")] * count).as_columns()
    assert list(columns[5]) == [515_000_000, PLACE_UNKNOWN] * count
    assert list(columns[6]) == [-1_000_000, PLACE_UNKNOWN] * count
    assert list(columns[7]) == [360, 360] * count


def test_broken_reads_keep_their_index() -> None:
    nothing = pb.SubmittedRead()
    verdict = check_batch([good(), nothing, good()], {1: MALFORMED}, feed(), LATEST_US, LIMITS)
    assert verdict.kept == 2
    assert [rejection.index for rejection in verdict.rejections] == [1]


@pytest.mark.parametrize("count", [1, 30])
def test_a_bad_image_never_costs_its_read(count: int) -> None:
    images = [
        good(plate_patch=JPEG, overview=JPEG),
        good(plate_patch=b"x", overview=JPEG + b"\0" * 25_600),
        good(vrm=""),
        good(plate_patch=JPEG[:-2]),
    ]
    verdict = judged(images * count)
    assert verdict.kept == 3 * count
    patches, overviews = verdict.as_columns()[9:]
    assert list(patches) == [JPEG, b"", b""] * count
    assert list(overviews) == [JPEG, b"", b""] * count
    told = {(warning.index, warning.field, warning.reason) for warning in verdict.warnings}
    assert {(1, "plate_patch", pb.WARNING_REASON_IMAGE_INVALID)} <= told
    assert {(1, "overview", pb.WARNING_REASON_IMAGE_TOO_LARGE)} <= told
    assert {(3, "plate_patch", pb.WARNING_REASON_IMAGE_INVALID)} <= told
    assert len(told) == 3 * count


finite = st.floats(width=64)
reads = st.builds(
    pb.SubmittedRead,
    camera_id=st.sampled_from(["fixed", "mobile", "off", "x", "fixed", "fixed"]),
    read_id=st.sampled_from(["a", "b" * 128, "", "c" * 129, "d\n", "Straße", "e", "f"]),
    captured_at=st.one_of(
        st.none(),
        st.builds(
            Timestamp,
            seconds=st.one_of(
                st.just(NOW_US // 1_000_000),
                st.integers(-(2**63), 2**63 - 1),
                st.integers(OLDEST_US // 10**6 - 1, LATEST_US // 10**6 + 1),
            ),
            nanos=st.one_of(st.integers(0, 999_999_999), st.integers(-(2**31), 2**31 - 1)),
        ),
    ),
    vrm=st.one_of(
        st.sampled_from(
            ["AB12CDE", "ab12 cde", "", "A" * 12, "A" * 13, "\u2003", "NONE", "AB12CDE (GB)", "1.0"]
        ),
        st.text(max_size=14),
    ),
    confidence=st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(width=32)),
    position=st.one_of(
        st.none(),
        st.builds(Position, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180)),
        st.builds(Position, latitude=finite, longitude=finite),
    ),
    heading=st.one_of(st.none(), st.integers(0, 400), st.integers(0, 2**32 - 1)),
    details=st.one_of(
        st.none(),
        st.builds(
            ReadDetails,
            lane=st.integers(0, 40),
            direction=st.integers(0, 2),
            speed_kph=st.one_of(st.none(), st.floats(width=32), st.floats(0, 500, width=32)),
            plate_country=st.sampled_from(["", "GB", "D", "éé", "gb"]),
            position_doubtful=st.booleans(),
            vehicle_make=st.text(max_size=20),
        ),
    ),
    force=st.sampled_from(["", "", "essex", "kent"]),
)


@settings(max_examples=150)
@given(st.lists(reads, min_size=1, max_size=12))
def test_by_columns_and_read_by_read_agree(batch: list[pb.SubmittedRead]) -> None:
    """Both ways keep the same values, to the last bit."""
    rows = []
    for read in batch:
        try:
            rows.append(checked_row(read, feed(), LATEST_US, []))
        except ReadRejected:
            continue
    columns = columns_of_right_reads(batch, feed(), LATEST_US)
    if columns is not None:
        assert list(zip(*columns, strict=True)) == rows
        assert not judged(batch).warnings
        assert len(rows) == len(batch)
    verdict = judged(batch)
    assert list(zip(*verdict.as_columns(), strict=True)) == rows
    assert verdict.kept + len(verdict.rejections) == len(batch)
    rejected = {rejection.index for rejection in verdict.rejections}
    assert len(rejected) == len(verdict.rejections)


@given(st.lists(st.integers(0, len(ACCEPTED) - 1), min_size=1, max_size=30))
def test_good_reads_are_checked_by_columns(picks: list[int]) -> None:
    assert columns_of_right_reads([good(**ACCEPTED[pick]) for pick in picks], feed(), LATEST_US) is not None


def test_no_rejection_shows_the_plate() -> None:
    verdict = judged([good(vrm="SECRET!!"), good(vrm="ab12cde", read_id="")])
    assert not any("SECRET" in str(each) or "AB12" in str(each).upper() for each in verdict.rejections)


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (ReadDetails(lane=33), "details.lane should be 1 to 32"),
        (ReadDetails(direction=3), "details.direction should be"),
        (ReadDetails(speed_kph=501), "details.speed_kph should be 0 to 500 km/h"),
        (ReadDetails(plate_country="GBR"), "details.plate_country should be two capital letters"),
        (ReadDetails(vehicle_colour="\t"), "texts in details should have printable"),
        (ReadDetails(vehicle_make="x" * 512), "at most 512 bytes"),
    ],
)
def test_a_fault_in_the_details_is_distinguished_from_the_others(details: Any, said: str) -> None:
    (rejection,) = judged([good(details=details)]).rejections
    assert said in rejection.message


@pytest.mark.parametrize("others", [0, 20])
@pytest.mark.parametrize(
    ("vrm", "details", "kept"),
    [
        ("AB12CDE-GBR", None, ReadDetails(plate_country="GB")),
        ("AB12CDE (NLD)", ReadDetails(lane=2), ReadDetails(lane=2, plate_country="NL")),
        ("GB-AB12CDE", ReadDetails(plate_country="FR"), ReadDetails(plate_country="FR")),
    ],
)
def test_a_country_beside_the_plate_moves_to_the_details(
    vrm: str, details: ReadDetails | None, kept: ReadDetails, others: int
) -> None:
    verdict = judged([good() for _ in range(others)] + [good(vrm=vrm, details=details)])
    (warning,) = verdict.warnings
    assert (warning.index, warning.reason) == (others, pb.WARNING_REASON_COUNTRY_SPLIT)
    assert warning.field == "vrm"
    assert "AB12" not in warning.message
    columns = verdict.as_columns()
    assert columns.vrms[-1] == "AB12CDE"
    assert ReadDetails.FromString(columns.details[-1]) == kept


@pytest.mark.parametrize("others", [0, 20])
def test_a_force_has_its_own_words(others: int) -> None:
    settings = ForceSettings(not_read_words=WordList(words=["No-Tag", "taxi"]))
    mine = feed()
    mine.follow(rules_from(settings))
    batch = [good() for _ in range(others)] + [good(vrm="NOTAG"), good(vrm="UNKNOWN"), good(vrm="Ta xi")]
    verdict = check_batch(batch, {}, mine, LATEST_US, LIMITS)
    told = [(each.index - others, each.reason) for each in verdict.rejections]
    assert told == [(0, pb.REJECTION_REASON_VRM_NOT_READ), (2, pb.REJECTION_REASON_VRM_NOT_READ)]
