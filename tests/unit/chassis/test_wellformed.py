"""Times that do not exist and the character NUL are found wherever a request has them."""

from __future__ import annotations

import pytest
from gantry.bridge.v1.bridge_pb2 import AddDestinationRequest
from gantry.ingest.v1.cameras_pb2 import Camera, EnrolCamerasRequest
from gantry.match.v1.alert_pb2 import Alert
from gantry.match.v1.hotlist_pb2 import ImportHotlistRequest
from gantry.store.v1.audit_pb2 import ListAuditRecordsRequest
from gantry.store.v1.search_pb2 import SearchReadsRequest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import InvalidInput
from chassis.wellformed import require_wellformed

BAD_TIMES = [
    Timestamp(seconds=253402300800),
    Timestamp(seconds=-62135596801),
    Timestamp(seconds=2**63 - 1),
    Timestamp(nanos=-1),
    Timestamp(seconds=5, nanos=1_000_000_000),
]


@pytest.mark.parametrize("time", BAD_TIMES)
def test_a_time_that_does_not_exist_is_the_callers_mistake(time):
    with pytest.raises(InvalidInput, match="TIME_INVALID") as refused:
        require_wellformed(SearchReadsRequest(forces=["essex"], captured_to=time))
    assert refused.value.field == "captured_to"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ListAuditRecordsRequest(force="es\0sex"), "force"),
        (SearchReadsRequest(forces=["essex", "\0"]), "forces"),
        (EnrolCamerasRequest(cameras=[Camera(), Camera(name="a\0")]), "cameras.name"),
        (AddDestinationRequest(destination={"options": {"a": "\0"}}), "destination.options"),
        (AddDestinationRequest(destination={"options": {"\0": "a"}}), "destination.options"),
    ],
)
def test_a_nul_is_found_in_every_text(request_, field):
    with pytest.raises(InvalidInput, match="TEXT_INVALID") as refused:
        require_wellformed(request_)
    assert refused.value.field == field


def test_the_first_and_the_last_time_and_bytes_are_taken():
    for seconds in (-62135596800, 0, 253402300799):
        require_wellformed(SearchReadsRequest(captured_from=Timestamp(seconds=seconds, nanos=999_999_999)))
    require_wellformed(ImportHotlistRequest(chunk=b"\0"))
    require_wellformed(SearchReadsRequest(vrm="\n\x1b'"))
    require_wellformed(Alert(age=Duration(seconds=-5, nanos=-5)))


@pytest.mark.parametrize("age", [Duration(seconds=2**40), Duration(seconds=1, nanos=10**9)])
def test_a_duration_out_of_range_is_refused_too(age):
    with pytest.raises(InvalidInput, match="TIME_INVALID"):
        require_wellformed(Alert(age=age))
