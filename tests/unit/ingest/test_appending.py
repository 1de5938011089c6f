"""Group commit: every batch is settled once, in order, for every behaviour of the store."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.store.v1.log_pb2 import AppendReadsRequest, AppendReadsResponse
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import DETAILS_KEY, Exhausted, Fault, InvalidInput, NotFound, Unavailable, encode_fault
from chassis.settings import TelemetrySettings
from chassis.telemetry import telemetry, tracer
from chassis.tracing import UNSAMPLED
from chassis.turns import Turns
from reads.canary import CANARY
from reads.columns import require_equal
from services.ingest.appending import lanes
from services.ingest.appending.appender import Appender
from services.ingest.appending.availability import StoreAvailability
from services.ingest.appending.batch import PendingBatch
from services.ingest.appending.lanes import AppendLimits, Appends
from services.ingest.appending.memory import Memory
from services.ingest.cameras.counts import CameraCounts, CameraKey, UnwrittenCounts
from services.ingest.cameras.feeds import Camera, Feed
from services.ingest.checking.batch import ImageLimits, check_batch
from services.ingest.names import SpanName


def failure(fault: Fault) -> grpc.aio.AioRpcError:
    details = grpc.aio.Metadata((DETAILS_KEY, encode_fault(fault)))
    return grpc.aio.AioRpcError(fault.status, grpc.aio.Metadata(), details, fault.message)


class Store:
    """A store that keeps its commits, and fails on request."""

    def __init__(self, *failures: Fault | None) -> None:
        self.failures = list(failures)
        self.poison: str | None = None
        self.log: list[str] = []
        self.appends: list[int] = []
        self.requests: list[AppendReadsRequest] = []
        self.under_way = self.most_under_way = 0

    async def __call__(self, request: bytes, /, *, timeout: float) -> AppendReadsResponse:  # noqa: ASYNC109
        assert timeout > 0
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        fault = self.failures.pop(0) if self.failures else None
        if fault is not None:
            raise failure(fault)
        return self.commit(AppendReadsRequest.FromString(request))

    def commit(self, request: AppendReadsRequest) -> AppendReadsResponse:
        reads = ReadColumns.FromString(request.reads or request.canary)
        require_equal(reads)
        ids = list(reads.read_ids)
        if self.poison in ids:
            raise failure(InvalidInput("COLUMNS_UNEQUAL", "poison"))
        self.appends.append(len(ids))
        self.requests.append(request)
        duplicates = []
        for index, read_id in enumerate(ids):
            if read_id in self.log:
                duplicates.append(index)
            else:
                self.log.append(read_id)
        return AppendReadsResponse(duplicate_indexes=duplicates)


class Recorder:
    def __init__(self) -> None:
        self.broken = False
        self.settled_batches: list[tuple[int, int]] = []
        self.faults: list[tuple[int, Fault]] = []

    def settled(self, batch: PendingBatch) -> None:
        self.settled_batches.append((batch.sequence, batch.duplicate))

    def failed(self, batch: PendingBatch, fault: Fault) -> None:
        self.broken = True
        self.faults.append((batch.sequence, fault))


def batch_of(recorder: Recorder, feed: Feed, sequence: int, ids: list[str]) -> PendingBatch:
    feed.add(Camera("c", enabled=True))
    at = Timestamp(seconds=1_700_000_000)
    reads = [pb.SubmittedRead(camera_id="c", read_id=read_id, captured_at=at, vrm="A1") for read_id in ids]
    # Large batches come as columns, small ones as rows. An append may hold both.
    verdict = check_batch(reads, {}, feed, 2 * 10**15, ImageLimits(0, 0))
    return PendingBatch(recorder, feed, sequence, verdict, len(ids), 1_000 * len(ids), UNSAMPLED)


class Rig:
    def __init__(self, store: Store, patience: float = 5.0, reads: int = 100, lanes: int = 2) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.renewed: list[str] = []
        self.memory = Memory(10**9)
        self.counts = UnwrittenCounts()
        limits = AppendLimits(reads, 10**9, lanes, patience)
        appender = Appender(lambda _: store, self.renewed.append, first_wait=0.0001)
        self.appends = Appends(appender, limits, self.memory, self.counts, self.own, Turns())

    def put(self, batch: PendingBatch) -> None:
        self.appends.of(batch.feed.force).put(batch)

    def own(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    async def idle(self) -> None:
        async with asyncio.timeout(10):
            while self.memory.used:  # noqa: ASYNC110
                await asyncio.sleep(0)
        for task in self.tasks:
            assert not task.done()
            task.cancel()


class CountsTable:
    def __init__(self) -> None:
        self.counts: Mapping[CameraKey, CameraCounts] = {}

    async def add(self, counts: Mapping[CameraKey, CameraCounts]) -> None:
        self.counts = counts


async def test_queued_batches_go_in_one_append() -> None:
    store, recorder, feed = Store(), Recorder(), Feed("essex", "f")
    rig = Rig(store)
    for sequence in range(30):
        rig.put(batch_of(recorder, feed, sequence, [f"{sequence}-a", f"{sequence}-b"]))
    assert rig.appends.queued_reads == 60
    await rig.idle()
    assert store.appends == [60]
    assert recorder.settled_batches == [(sequence, 0) for sequence in range(30)]
    table = CountsTable()
    await rig.counts.write(table)
    assert table.counts["essex", "c"].accepted == 60


async def test_an_append_is_bounded() -> None:
    store, recorder, feed = Store(), Recorder(), Feed("essex", "f")
    rig = Rig(store, reads=50)
    for sequence in range(3):
        rig.put(batch_of(recorder, feed, sequence, [f"{sequence}-{number}" for number in range(30)]))
    rig.put(batch_of(recorder, feed, 3, [f"3-{number}" for number in range(80)]))
    await rig.idle()
    assert store.appends == [30, 30, 30, 80]


def ids_in(encoded: bytes) -> list[str]:
    return [*ReadColumns.FromString(encoded).read_ids]


async def test_a_canary_between_batches_is_an_append_of_its_own() -> None:
    store, recorder, feed, canary = Store(), Recorder(), Feed("essex", "f"), Feed("essex", CANARY)
    rig = Rig(store, lanes=1)
    for sequence, each in enumerate([feed, feed, canary, canary, feed, feed, canary]):
        rig.put(batch_of(recorder, each, sequence, [str(sequence)]))
    await rig.idle()
    sent = [(ids_in(request.reads), ids_in(request.canary)) for request in store.requests]
    assert sent == [(["0", "1"], []), ([], ["2"]), ([], ["3"]), (["4", "5"], []), ([], ["6"])]
    assert recorder.settled_batches == [(sequence, 0) for sequence in range(7)]
    assert rig.appends.queued_reads == 0
    table = CountsTable()
    await rig.counts.write(table)
    assert {key: counts.accepted for key, counts in table.counts.items()} == {("essex", "c"): 4}


async def test_a_canary_that_cannot_be_stored_fails_alone(counted: Callable[[], dict[str, int]]) -> None:
    store, recorder, feed, canary = Store(), Recorder(), Feed("essex", "f"), Feed("essex", CANARY)
    store.poison = "bad"
    rig, failed = Rig(store, lanes=1), Recorder()
    rig.put(batch_of(recorder, feed, 1, ["a"]))
    rig.put(batch_of(failed, canary, 1, ["bad"]))
    rig.put(batch_of(recorder, feed, 2, ["b"]))
    await rig.idle()
    assert recorder.settled_batches == [(1, 0), (2, 0)]
    assert [fault.status for _, fault in failed.faults] == [grpc.StatusCode.INTERNAL]
    assert counted() == {"acknowledged": 2}


async def test_a_canary_that_waits_with_others_is_not_counted_when_all_fail(
    counted: Callable[[], dict[str, int]],
) -> None:
    store, recorder, feed, canary = Store(), Recorder(), Feed("essex", "f"), Feed("essex", CANARY)
    store.failures = [Unavailable("X", "away")] * 10_000
    rig = Rig(store, patience=0.05, lanes=1)
    for sequence, each in enumerate([feed, canary, feed]):
        rig.put(batch_of(recorder, each, sequence, [str(sequence)]))
    await rig.idle()
    assert [sequence for sequence, _ in recorder.faults] == [0, 1, 2]
    assert counted() == {"failed": 2}


async def test_passing_faults_are_tried_again() -> None:
    busy = Exhausted("QUEUE_FULL", "wait", retry_after=0.001)
    store, recorder = Store(Unavailable("X", "away"), busy, Unavailable("X", "away")), Recorder()
    rig = Rig(store)
    rig.put(batch_of(recorder, Feed("essex", "f"), 1, ["a"]))
    await rig.idle()
    assert recorder.settled_batches == [(1, 0)]


async def test_one_force_without_a_store_refuses_only_its_own_work() -> None:
    store, recorder, feed = Store(*[Unavailable("X", "away")] * 10_000), Recorder(), Feed("essex", "f")
    rig = Rig(store, patience=0.05)
    rig.put(batch_of(recorder, feed, 1, ["a"]))
    await asyncio.sleep(0)
    rig.put(batch_of(recorder, feed, 2, ["b"]))
    await rig.idle()
    assert [(sequence, fault.reason) for sequence, fault in recorder.faults] == [
        (1, "STORE_UNAVAILABLE"),
        (2, "STORE_UNAVAILABLE"),
    ]
    assert set(rig.renewed) == {"essex"}
    with pytest.raises(Unavailable):
        rig.appends.of("essex").availability.check()
    rig.appends.of("kent").availability.check()


async def test_batches_are_counted_by_what_became_of_them(counted: Callable[[], dict[str, int]]) -> None:
    away = [Unavailable("X", "away")] * 10_000
    store, recorder, feed = Store(), Recorder(), Feed("essex", "f")
    rig = Rig(store, patience=0.05)
    for sequence in range(3):
        rig.put(batch_of(recorder, feed, sequence, [str(sequence)]))
    await until(lambda: len(recorder.settled_batches) == 3)
    store.failures = [*away]
    rig.put(batch_of(recorder, feed, 3, ["3"]))
    await until(lambda: bool(recorder.faults))
    with pytest.raises(Unavailable):
        rig.appends.of("essex").availability.check()
    rig.appends.of("essex").refused()
    assert counted() == {"acknowledged": 3, "failed": 1, "refused": 2}
    store.failures = [NotFound("FORCE_UNKNOWN", "retired")]
    retired = Recorder()
    rig.put(batch_of(retired, feed, 4, ["4"]))
    await until(lambda: bool(retired.faults))
    await rig.idle()
    assert counted() == {"acknowledged": 3, "failed": 1, "refused": 2}, "a retired force is not our failure"


async def until(true: Callable[[], bool]) -> None:
    """Poll a condition for up to ten seconds."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, int]]:
    """Batches of essex by their outcome, as they are counted from now on."""
    found: Counter[str] = Counter()

    class Counted:
        def add(self, batches: int, labels: Mapping[str, str]) -> None:
            assert labels["force"] == "essex"
            found[labels["outcome"]] += batches

    monkeypatch.setattr(lanes, "_batches", Counted())
    return lambda: dict(found)


async def test_a_bad_batch_of_one_vendor_fails_no_other() -> None:
    store, feed = Store(), Feed("essex", "f")
    store.poison = "bad"
    recorders = [Recorder() for _ in range(5)]
    rig = Rig(store)
    for number, recorder in enumerate(recorders):
        rig.put(batch_of(recorder, feed, 1, ["bad" if number == 2 else f"good-{number}"]))
    await rig.idle()
    assert [len(recorder.settled_batches) for recorder in recorders] == [1, 1, 0, 1, 1]
    ((_, fault),) = recorders[2].faults
    assert fault.status is grpc.StatusCode.INTERNAL


async def test_nothing_is_stored_after_a_batch_of_its_stream_that_failed() -> None:
    """The vendor sends the failed batch and the later ones again."""
    store, feed, other = Store(), Feed("essex", "f"), Recorder()
    store.poison = "bad"
    rig, recorder = Rig(store, reads=3, lanes=1), Recorder()
    for sequence, read_id in enumerate(["first", "bad", "third", "fourth", "fifth"]):
        rig.put(batch_of(recorder, feed, sequence, [read_id]))
    rig.put(batch_of(other, feed, 0, ["other"]))
    await rig.idle()
    assert store.log == ["first", "other"]
    assert [sequence for sequence, _ in recorder.settled_batches] == [0]
    assert [sequence for sequence, _ in recorder.faults] == [1]
    assert other.settled_batches == [(0, 0)]


async def test_forces_are_never_mixed() -> None:
    store, recorder = Store(), Recorder()
    rig = Rig(store)
    for force in ("essex", "kent"):
        rig.put(batch_of(recorder, Feed(force, "f"), 1, [force]))
    await rig.idle()
    assert store.appends == [1, 1]


async def test_a_force_that_the_store_does_not_serve_fails_alone() -> None:
    unknown = NotFound("FORCE_UNKNOWN", "there is no such force")
    store, retired, active = Store(unknown), Recorder(), Recorder()
    rig = Rig(store, lanes=1)
    for sequence in range(3):
        rig.put(batch_of(retired, Feed("essex", "f"), sequence, [f"e{sequence}"]))
    await asyncio.sleep(0)
    rig.put(batch_of(active, Feed("kent", "f"), 1, ["k"]))
    await rig.idle()
    assert [(fault.status, fault.reason) for _, fault in retired.faults] == [
        (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_UNKNOWN")
    ] * 3
    assert active.settled_batches == [(1, 0)]
    rig.appends.of("essex").availability.check()


async def test_an_append_that_exceeds_the_transports_limit_is_split() -> None:
    too_large = Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED", "larger than max")
    store, recorder, feed = Store(too_large), Recorder(), Feed("essex", "f")
    rig = Rig(store)
    for sequence in range(2):
        rig.put(batch_of(recorder, feed, sequence, [str(sequence)]))
    await rig.idle()
    assert store.appends == [1, 1]
    assert recorder.settled_batches == [(0, 0), (1, 0)]


def test_a_force_whose_appends_are_stuck_leaves_memory_to_others() -> None:
    memory = Memory(100)
    essex, kent, surrey = (memory.of(force) for force in ("essex", "kent", "surrey"))
    while not essex.full:
        essex.take(1)
    assert essex.used == 50
    while not kent.full:
        kent.take(1)
    assert kent.used == 25
    assert not surrey.full
    essex.release(20)
    assert not kent.full


async def test_streams_wait_for_the_memory_of_their_force() -> None:
    memory = Memory(100)
    essex, kent = memory.of("essex"), memory.of("kent")
    essex.take(60)
    assert essex.full
    assert not kent.full
    waiting = essex.waiter()
    essex.release(5)
    assert not waiting.done()
    essex.release(10)
    assert waiting.done()


def test_the_circuit_opens_probes_and_closes() -> None:
    now = [0.0]
    availability = StoreAvailability(10.0, lambda: now[0])
    availability.check()
    assert availability.patience == 10.0
    assert availability.failing_seconds == 0.0
    availability.failed("UNAVAILABLE")
    with pytest.raises(Unavailable) as caught:
        availability.check()
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert caught.value.retry_after >= 1.0
    now[0] = 1.5
    availability.check()
    availability.failed("UNAVAILABLE")
    now[0] = 3.0
    assert availability.failing_seconds == 3.0
    assert availability.patience < 10.0
    availability.succeeded()
    assert availability.patience == 10.0
    assert availability.failing_seconds == 0.0
    availability.failed("UNAVAILABLE")
    now[0] = 300.0
    assert availability.failing_seconds == 0.0, "nobody has tried since"


def test_vendors_hear_that_the_disk_is_full() -> None:
    availability = StoreAvailability(10.0, lambda: 0.0)
    availability.failed("STORAGE_FULL")
    with pytest.raises(Exhausted, match="STORAGE_FULL") as caught:
        availability.check()
    assert caught.value.retry_after >= 1.0


faults = st.sampled_from(
    [None, None, Unavailable("X", "away"), Exhausted("QUEUE_FULL", "wait", retry_after=0.0001)]
)


@settings(max_examples=40, deadline=None)
@given(
    plan=st.lists(
        st.tuples(st.integers(0, 3), st.lists(st.integers(0, 30), min_size=1, max_size=6)), max_size=25
    ),
    failures=st.lists(faults, max_size=6),
    lanes=st.integers(1, 3),
)
async def test_every_batch_is_acknowledged_once_and_in_order(
    plan: list[tuple[int, list[int]]], failures: list[Fault | None], lanes: int
) -> None:
    """Feeds' batches are committed in their order, duplicates add up, and nothing is left behind.

    The last feed is that of the canary: each of its batches is one read, and an append of its own.
    """
    store = Store(*failures)
    rig = Rig(store, reads=8, lanes=lanes)
    feeds = [Feed("essex", name) for name in ("feed-0", "feed-1", "feed-2", CANARY)]
    plan = [(number, reads[:1] if feeds[number].canary else reads) for number, reads in plan]
    recorders = [Recorder() for _ in feeds]
    for sequence, (number, reads) in enumerate(plan):
        ids = [f"{number}-{read}" for read in reads]
        rig.put(batch_of(recorders[number], feeds[number], sequence, ids))
        if sequence % 5 == 0:
            await asyncio.sleep(0)
    await rig.idle()
    for number, recorder in enumerate(recorders):
        assert [sequence for sequence, _ in recorder.settled_batches] == [
            sequence for sequence, (feed, _) in enumerate(plan) if feed == number
        ]
        assert not recorder.faults
        first_seen = list(
            dict.fromkeys(f"{number}-{read}" for feed, reads in plan for read in reads if feed == number)
        )
        assert [read_id for read_id in store.log if read_id.startswith(f"{number}-")] == first_seen
    sent = sum(len(reads) for _, reads in plan)
    repeated = sum(duplicate for recorder in recorders for _, duplicate in recorder.settled_batches)
    assert len(store.log) == sent - repeated
    assert store.most_under_way <= lanes
    for request in store.requests:
        reads, canaries = ids_in(request.reads), ids_in(request.canary)
        assert bool(reads) != bool(canaries)
        assert not any(read_id.startswith("3-") for read_id in reads)
        assert not canaries or (len(canaries) == 1 and canaries[0].startswith("3-"))
    canaries_sent = sum(bool(request.canary) for request in store.requests)
    assert canaries_sent == sum(number == 3 for number, _ in plan)


async def test_each_traced_batch_of_an_append_has_its_own_trace(tmp_path: Path) -> None:
    store, recorder, feed = Store(), Recorder(), Feed("essex", "f")
    rig, file = Rig(store), tmp_path / "spans.jsonl"
    async with telemetry("ingest", TelemetrySettings(spans_file=file)):
        batches = [batch_of(recorder, feed, number, [f"{number}a", f"{number}b"]) for number in range(4)]
        for batch in batches[1:]:
            batch.span = tracer().start_span(SpanName.INGEST_BATCH)
        batches.insert(2, batch_of(recorder, feed, 9, []))
        batches[2].span = tracer().start_span(SpanName.INGEST_BATCH)
        for batch in batches:
            rig.put(batch)
        await rig.idle()
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    parents = {span["span_id"]: span["parent_span_id"] for span in spans}
    begun = [f"{batch.span.get_span_context().span_id:016x}" for batch in batches]
    (request,) = store.requests
    assert [(each.first_index, each.count) for each in request.traced_batches] == [(2, 2), (4, 2), (6, 2)]
    first, *others = [each.traceparent for each in request.traced_batches]
    # The first is the trace of the call itself.
    assert first == ""
    assert [parents[traceparent.split("-")[2]] for traceparent in others] == begun[3:]
    assert [span["parent_span_id"] for span in spans if span["name"] == SpanName.INGEST_APPEND] == [
        begun[1],
        *begun[3:],
    ]
