"""Each traced batch of an append keeps its own trace: for followers, for people, and after a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1.log_pb2 import AppendReadsRequest, TracedBatch
from gantry.store.v1.log_pb2_grpc import ReadLogServiceStub

from chassis.settings import TelemetrySettings
from chassis.telemetry import telemetry
from reads.columns import picked
from reads.traced import MOST_TRACED
from services.store.names import SpanName
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.following import collect
from tests.contract.store.reads import columns

pytestmark = pytest.mark.usefixtures("two_forces")

CALL, ONE, TWO = (f"00-{digit * 32}-{digit * 16}-01" for digit in "123")
UNSAMPLED = f"00-{'4' * 32}-{'4' * 16}-00"
PURPOSE = Purpose(code="theft", reference="OP-1", justification="why was this late")


async def append(store: RunningStore, request: AppendReadsRequest, traceparent: str = CALL) -> None:
    stub = ReadLogServiceStub(await store.channel_of_service("ingest"))
    await stub.AppendReads(request, metadata=[("traceparent", traceparent)])


def request_of(store: RunningStore, count: int, *batches: TracedBatch) -> AppendReadsRequest:
    reads = columns(count, at_us=store.clock()).SerializeToString()
    return AppendReadsRequest(force="essex", reads=reads, traced_batches=batches)


async def test_the_batches_of_an_append_have_traces_of_their_own(
    start_store: StartStore, tmp_path: Path
) -> None:
    store, file = await start_store(), tmp_path / "spans.jsonl"
    request = request_of(
        store,
        10,
        TracedBatch(first_index=0, count=2),
        TracedBatch(traceparent=ONE, first_index=4, count=2),
        TracedBatch(traceparent=TWO, first_index=6, count=4),
    )
    async with telemetry("store", TelemetrySettings(spans_file=file)):
        await append(store, request)
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    commits = {span["trace_id"][0]: span for span in spans if span["name"] == SpanName.COMMIT}
    assert sorted(commits) == ["1", "2", "3"]
    assert [commits[digit]["parent_span_id"][0] for digit in "23"] == ["2", "3"]
    assert len({span["end_ns"] for span in commits.values()}) == 1
    for each in (store, await start_store()):
        (found,) = await collect(await each.log("match"), "essex", after=0, reads=10)
        assert [(trace.traceparent[3], trace.first, trace.last) for trace in found.traced] == [
            ("1", 1, 2),
            ("2", 5, 6),
            ("3", 7, 10),
        ]
    person = await store.search("ann", "essex")
    told = [(await person.read("essex", PURPOSE, position=number)).traceparent for number in (1, 5, 10, 3)]
    # The batch of the read at 3 is not traced: the append stands for it.
    assert [traceparent[3] for traceparent in told] == ["1", "2", "3", "1"]


async def test_a_batch_that_was_stored_before_leads_no_further(store: RunningStore) -> None:
    request = request_of(store, 4)
    await append(store, request, UNSAMPLED)
    reads = columns(2, at_us=store.clock())
    again = picked(columns(0, at_us=0), [])
    again.ParseFromString(request.reads)
    reads.MergeFrom(picked(again, [0, 1]))
    reads.camera_ids[:] = again.camera_ids
    request.reads = reads.SerializeToString()
    request.traced_batches.add(traceparent=ONE, first_index=0, count=2)
    request.traced_batches.add(traceparent=TWO, first_index=2, count=2)
    await append(store, request)
    found = await collect(await store.log("match"), "essex", after=4, reads=2)
    assert [(trace.traceparent, trace.first, trace.last) for trace in found[0].traced] == [(ONE, 5, 6)]


async def test_what_is_no_trace_is_ignored(store: RunningStore) -> None:
    unusable = [
        TracedBatch(traceparent="junk", first_index=0, count=1),
        TracedBatch(traceparent=UNSAMPLED, first_index=0, count=1),
        TracedBatch(traceparent=ONE, first_index=2, count=2),
        TracedBatch(traceparent=ONE, first_index=4_294_967_295, count=4_294_967_295),
        TracedBatch(traceparent=ONE, first_index=1, count=0),
    ]
    await append(store, request_of(store, 3, *unusable, TracedBatch(traceparent=TWO, count=1)))
    many = [TracedBatch(traceparent=TWO, first_index=0, count=1)] * (MOST_TRACED + 1)
    await append(store, request_of(store, 3, *many))
    await append(store, request_of(store, 3, TracedBatch(traceparent=ONE, count=1)), UNSAMPLED)
    first, second, third = await collect(await store.log("match"), "essex", after=0, reads=9)
    assert [each.traceparent for each in first.traced] == [TWO]
    assert len(second.traced) == MOST_TRACED
    assert list(third.traced) == []
