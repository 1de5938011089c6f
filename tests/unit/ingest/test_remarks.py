"""Remarks on durable reads reach the right read of the right batch, and the count of its camera."""

from __future__ import annotations

from typing import Any

from gantry.ingest.v1 import ingest_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from chassis.tracing import UNSAMPLED
from services.ingest.appending.batch import PendingBatch
from services.ingest.appending.remarks import count_remarks, share_differing
from services.ingest.cameras.counts import UnwrittenCounts
from services.ingest.cameras.feeds import Feed
from services.ingest.checking.batch import Verdict

INVALID = pb.REJECTION_REASON_VRM_INVALID
TOO_LARGE = pb.WARNING_REASON_IMAGE_TOO_LARGE
DIFFERS = pb.WARNING_REASON_DUPLICATE_DIFFERS


def batch(reads: int, rejected: tuple[int, ...] = (), warned: tuple[int, ...] = ()) -> PendingBatch:
    verdict = Verdict(
        reads - len(rejected),
        rejections=[pb.Rejection(index=index, reason=INVALID) for index in rejected],
        warnings=[pb.Warning(index=index, reason=TOO_LARGE, field="overview") for index in warned],
    )
    submitter: Any = None
    return PendingBatch(submitter, Feed("essex", "gw"), 1, verdict, verdict.kept, 100, UNSAMPLED)


def remarks(batch: PendingBatch) -> list[tuple[int, int]]:
    return [(warning.index, warning.reason) for warning in batch.ack().warnings]


def test_a_differing_duplicate_is_named_by_its_index_in_the_vendors_batch() -> None:
    batches = [batch(2), batch(4, rejected=(0, 2)), batch(1)]
    share_differing(batches, [1, 2, 3])
    assert [remarks(each) for each in batches] == [[(1, DIFFERS)], [(1, DIFFERS), (3, DIFFERS)], []]
    (warning, _) = batches[1].ack().warnings
    assert warning.field == "read_id"
    assert "new read_id" in warning.message


def test_an_acknowledgement_with_nothing_but_a_differing_duplicate_has_it() -> None:
    one = batch(1)
    share_differing([one], [0])
    response = pb.StreamReadsResponse.FromString(one.acknowledgement())
    assert [warning.reason for warning in response.ack.warnings] == [DIFFERS]


def test_remarks_are_counted_for_their_cameras() -> None:
    batches, counts = [batch(2), batch(4, rejected=(1,), warned=(0, 3)), batch(1)], UnwrittenCounts()
    share_differing(batches, [4, 5])
    count_remarks("essex", batches, ["A", "B", "C", "D", "E", "F"], counts)
    assert remarks(batches[1]) == [(0, TOO_LARGE), (3, TOO_LARGE), (3, DIFFERS)]
    counted = {camera: dict(each.warned) for (_, camera), each in counts._counts.items()}
    assert counted == {"C": {TOO_LARGE: 1}, "E": {TOO_LARGE: 1, DIFFERS: 1}, "F": {DIFFERS: 1}}


@given(
    st.lists(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6), max_size=6),
)
def test_every_differing_read_is_found_again(shapes: list[list[tuple[bool, bool]]]) -> None:
    """Of each read: whether it was rejected, and whether it differs from the stored one."""
    batches = [batch(len(shape), tuple(i for i, (bad, _) in enumerate(shape) if bad)) for shape in shapes]
    kept = [differs for shape in shapes for bad, differs in shape if not bad]
    share_differing(batches, [index for index, differs in enumerate(kept) if differs])
    for shape, each in zip(shapes, batches, strict=True):
        expected = [i for i, (bad, differs) in enumerate(shape) if differs and not bad]
        assert [warning.index for warning in each.ack().warnings] == expected
