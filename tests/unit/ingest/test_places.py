"""Places of reads: what they say or their cameras', what is unknown, and what is doubtful."""

from __future__ import annotations

import pytest
from gantry.common.v1.read_pb2 import Position, ReadDetails
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_FIXED, CAMERA_KIND_MOBILE, CAMERA_KIND_PORTABLE
from gantry.store.v1.forces_pb2 import Area, ForceSettings

from reads.columns import PLACE_UNKNOWN
from services.ingest.cameras.expectation import ForceRules, rules_from
from services.ingest.cameras.feeds import Camera, Feed
from services.ingest.checking.batch import check_batch, columns_of_right_reads
from tests.unit.ingest.test_checking import LATEST_US, LIMITS, good, judged

ESSEX = rules_from(ForceSettings(area=Area(south=51.4, west=-0.1, north=52.2, east=1.4)))
HERE = Position(latitude=51.7, longitude=0.5)
SWAPPED = Position(latitude=0.5, longitude=51.7)
NULL_ISLAND = Position(latitude=0.0, longitude=0.0)
A_HAIR_FROM_IT = Position(latitude=0.000001, longitude=0.0)
SPAIN = Position(latitude=40.4, longitude=-3.7)
ONE_KM_OFF = Position(latitude=51.709, longitude=0.5)
THREE_KM_OFF = Position(latitude=51.727, longitude=0.5)
UNKNOWN = pb.WARNING_REASON_POSITION_UNKNOWN
DOUBTFUL = pb.WARNING_REASON_POSITION_DOUBTFUL
PLACES = [
    # rules, camera, position, remark, place kept
    (None, "placed", HERE, None, HERE),
    (None, "placed", None, None, HERE),
    (None, "placed", NULL_ISLAND, UNKNOWN, HERE),
    (None, "placed", A_HAIR_FROM_IT, UNKNOWN, HERE),
    (None, "placed", ONE_KM_OFF, None, ONE_KM_OFF),
    (None, "placed", THREE_KM_OFF, DOUBTFUL, THREE_KM_OFF),
    (None, "placed", SWAPPED, DOUBTFUL, SWAPPED),
    (None, "unplaced", NULL_ISLAND, UNKNOWN, None),
    (None, "unplaced", SPAIN, None, SPAIN),
    (None, "portable", NULL_ISLAND, UNKNOWN, None),
    (None, "portable", THREE_KM_OFF, None, THREE_KM_OFF),
    (None, "car", NULL_ISLAND, UNKNOWN, None),
    (None, "car", A_HAIR_FROM_IT, UNKNOWN, None),
    (None, "car", None, None, None),
    (None, "car", SPAIN, None, SPAIN),
    (ESSEX, "car", SPAIN, None, SPAIN),
    (ESSEX, "car", NULL_ISLAND, UNKNOWN, None),
    (ESSEX, "unplaced", HERE, None, HERE),
    (ESSEX, "unplaced", SPAIN, DOUBTFUL, SPAIN),
    (ESSEX, "unplaced", SWAPPED, DOUBTFUL, SWAPPED),
    (ESSEX, "portable", SPAIN, DOUBTFUL, SPAIN),
    (ESSEX, "placed", THREE_KM_OFF, DOUBTFUL, THREE_KM_OFF),
    (ESSEX, "abroad", None, DOUBTFUL, SPAIN),
    (ESSEX, "abroad", SPAIN, DOUBTFUL, SPAIN),
    (None, "abroad", None, None, SPAIN),
]


def places_feed(rules: ForceRules | None) -> Feed:
    made = Feed("essex", "gateway")
    made.add(Camera("placed", True, 517_000_000, 5_000_000, CAMERA_KIND_FIXED))
    made.add(Camera("unplaced", True, kind=CAMERA_KIND_FIXED))
    made.add(Camera("portable", True, 517_000_000, 5_000_000, CAMERA_KIND_PORTABLE))
    made.add(Camera("car", True, kind=CAMERA_KIND_MOBILE))
    made.add(Camera("abroad", True, 404_000_000, -37_000_000, CAMERA_KIND_FIXED))
    if rules is not None:
        made.follow(rules)
    return made


@pytest.mark.parametrize("others", [0, 20])
@pytest.mark.parametrize(("rules", "camera", "position", "reason", "kept"), PLACES)
def test_places(
    rules: ForceRules | None,
    camera: str,
    position: Position | None,
    reason: int | None,
    kept: Position | None,
    others: int,
) -> None:
    batch = [good(camera_id="unplaced", position=HERE) for _ in range(others)]
    batch.append(good(camera_id=camera, position=position, details=ReadDetails(lane=1)))
    verdict = check_batch(batch, {}, places_feed(rules), LATEST_US, LIMITS)
    told = [(warning.index, warning.reason) for warning in verdict.warnings]
    assert told == ([] if reason is None else [(others, reason)])
    assert all(warning.message and warning.field in {"position", "camera_id"} for warning in verdict.warnings)
    columns = verdict.as_columns()
    place = (PLACE_UNKNOWN, PLACE_UNKNOWN)
    if kept is not None:
        place = round(kept.latitude * 1e7), round(kept.longitude * 1e7)
    assert (columns.latitudes_e7[-1], columns.longitudes_e7[-1]) == place
    details = ReadDetails.FromString(columns.details[-1])
    assert details == ReadDetails(lane=1, position_doubtful=reason == DOUBTFUL)


def test_a_place_with_its_angles_swapped_is_said_to_be() -> None:
    (warning,) = check_batch(
        [good(camera_id="placed", position=SWAPPED)], {}, places_feed(ESSEX), LATEST_US, LIMITS
    ).warnings
    assert "swapped" in warning.message


@pytest.mark.parametrize("others", [0, 20])
def test_only_the_server_says_that_a_position_is_doubtful(others: int) -> None:
    claimed = good(details=ReadDetails(position_doubtful=True, lane=3))
    columns = judged([good() for _ in range(others)] + [claimed]).as_columns()
    assert ReadDetails.FromString(columns.details[-1]) == ReadDetails(lane=3)


def test_a_batch_of_usual_reads_is_checked_by_columns() -> None:
    made = places_feed(ESSEX)
    batch = [good(camera_id="placed", position=HERE), good(camera_id="car", position=SPAIN)] * 5
    assert columns_of_right_reads([*batch, good(camera_id="placed")], made, LATEST_US) is not None
    assert (
        columns_of_right_reads([*batch, good(camera_id="car", position=NULL_ISLAND)], made, LATEST_US) is None
    )
