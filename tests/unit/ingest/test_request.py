"""An append is the message that protobuf would make of it."""

from __future__ import annotations

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.log_pb2 import AppendReadsRequest
from hypothesis import given
from hypothesis import strategies as st

from chassis.tracing import UNSAMPLED
from reads.columns import columns_of
from services.ingest.appending.batch import PendingBatch
from services.ingest.appending.request import append_of
from services.ingest.cameras.feeds import Feed
from services.ingest.checking.batch import KeptReads, Verdict

images = st.lists(st.binary(max_size=200) | st.just(bytes(70_000)), min_size=3, max_size=3)


@given(images, images)
def test_images_of_any_size_and_none(patches: list[bytes], overviews: list[bytes]) -> None:
    kept = KeptReads(
        camera_ids=["a", "b", "a"],
        read_ids=["1", "2", "3"],
        captured_at_us=[1, 2, 3],
        vrms=["AB12CDE"] * 3,
        confidences=[0.5] * 3,
        latitudes_e7=[1, 2, 3],
        longitudes_e7=[1, 2, 3],
        headings=[0, 90, 360],
        details=[b"", b"x", b""],
        plate_patches=patches,
        overviews=overviews,
    )
    batch = PendingBatch(None, Feed("essex", "f"), 1, Verdict(3, kept), 3, 100, UNSAMPLED)  # type: ignore[arg-type]
    request = AppendReadsRequest.FromString(append_of("essex", [batch]).request)
    assert request.force == "essex"
    assert ReadColumns.FromString(request.reads) == columns_of(**kept._asdict())
