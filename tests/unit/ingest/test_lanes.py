"""Group commit: every batch hears once, in order, whatever the store does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import grpc
import pytest
from gantry.store.v1.store_pb2 import AppendReadsRequest, AppendReadsResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import DETAILS_KEY, Exhausted, Fault, InvalidInput, Unavailable, encode_fault
from chassis.tracing import UNSAMPLED
from services.ingest.appender import Appender
from services.ingest.availability import StoreAvailability
from services.ingest.batch import Batch
from services.ingest.budget import Budget
from services.ingest.columns import Verdict
from services.ingest.lanes import AppendLimits, Lanes
from services.ingest.registry import Feed
from services.ingest.tallies import Tallies


def failure(fault: Fault) -> grpc.aio.AioRpcError:
    details = grpc.aio.Metadata((DETAILS_KEY, encode_fault(fault)))
    return grpc.aio.AioRpcError(fault.status, grpc.aio.Metadata(), details, fault.message)


class Wire:
    """Where appends go: keeps what was committed, fails as it is told to."""

    def __init__(self, *failures: Fault | None) -> None:
        self.failures = list(failures)
        self.poison: str | None = None
        self.log: list[str] = []
        self.appends: list[int] = []
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
        ids = list(request.reads.read_ids)
        if self.poison in ids:
            raise failure(InvalidInput("COLUMNS_UNEQUAL", "poison"))
        self.appends.append(len(ids))
        duplicates = []
        for index, read_id in enumerate(ids):
            if read_id in self.log:
                duplicates.append(index)
            else:
                self.log.append(read_id)
        return AppendReadsResponse(duplicate_indexes=duplicates)


class Owner:
    def __init__(self) -> None:
        self.settled_batches: list[tuple[int, int]] = []
        self.faults: list[tuple[int, Fault]] = []

    def settled(self, batch: Batch) -> None:
        self.settled_batches.append((batch.sequence, batch.duplicate))

    def failed(self, batch: Batch, fault: Fault) -> None:
        self.faults.append((batch.sequence, fault))


def batch_of(owner: Owner, feed: Feed, sequence: int, ids: list[str]) -> Batch:
    rows = [("c", read_id, 1, "A1", 0.5, 1, 2, 360, b"", b"", b"") for read_id in ids]
    # Large batches come as columns, small ones as rows; an append may hold both.
    many = len(rows) > 3
    verdict = Verdict(tuple(zip(*rows, strict=True)) if many else None, [] if many else rows, len(rows))
    return Batch(owner, feed, sequence, verdict, 1_000 * len(ids), UNSAMPLED)


class Rig:
    def __init__(self, wire: Wire, patience: float = 5.0, reads: int = 100, lanes: int = 2) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.budget = Budget(10**9)
        self.tallies = Tallies()
        self.availability = StoreAvailability(patience)
        limits = AppendLimits(reads, 10**9, lanes)
        appender = Appender(wire, self.availability, first_wait=0.0001)
        self.lanes = Lanes(appender, limits, self.budget, self.tallies, self.own)

    def own(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    async def idle(self) -> None:
        async with asyncio.timeout(10):
            while self.budget.used:  # noqa: ASYNC110
                await asyncio.sleep(0)
        for task in self.tasks:
            assert not task.done()
            task.cancel()


async def test_what_queues_goes_in_one_append() -> None:
    wire, owner, feed = Wire(), Owner(), Feed("essex", "f")
    rig = Rig(wire)
    for sequence in range(30):
        rig.lanes.put(batch_of(owner, feed, sequence, [f"{sequence}-a", f"{sequence}-b"]))
    assert rig.lanes.queued_reads == 60
    await rig.idle()
    assert wire.appends == [60]
    assert owner.settled_batches == [(sequence, 0) for sequence in range(30)]
    assert rig.tallies.take()["essex", "c"].accepted == 60


async def test_an_append_is_bounded() -> None:
    wire, owner, feed = Wire(), Owner(), Feed("essex", "f")
    rig = Rig(wire, reads=50)
    for sequence in range(3):
        rig.lanes.put(batch_of(owner, feed, sequence, [f"{sequence}-{number}" for number in range(30)]))
    rig.lanes.put(batch_of(owner, feed, 3, [f"3-{number}" for number in range(80)]))
    await rig.idle()
    assert wire.appends == [30, 30, 30, 80]


async def test_passing_faults_are_tried_again() -> None:
    busy = Exhausted("QUEUE_FULL", "wait", retry_after=0.001)
    wire, owner = Wire(Unavailable("X", "away"), busy, Unavailable("X", "away")), Owner()
    rig = Rig(wire)
    rig.lanes.put(batch_of(owner, Feed("essex", "f"), 1, ["a"]))
    await rig.idle()
    assert owner.settled_batches == [(1, 0)]


async def test_patience_ends() -> None:
    wire, owner, feed = Wire(*[Unavailable("X", "away")] * 10_000), Owner(), Feed("essex", "f")
    rig = Rig(wire, patience=0.05)
    rig.lanes.put(batch_of(owner, feed, 1, ["a"]))
    await asyncio.sleep(0)
    rig.lanes.put(batch_of(owner, feed, 2, ["b"]))
    await rig.idle()
    assert [(sequence, fault.reason) for sequence, fault in owner.faults] == [
        (1, "STORE_UNAVAILABLE"),
        (2, "STORE_UNAVAILABLE"),
    ]
    with pytest.raises(Unavailable):
        rig.availability.check()


async def test_one_vendors_poison_fails_nobody_else() -> None:
    wire, feed = Wire(), Feed("essex", "f")
    wire.poison = "bad"
    owners = [Owner() for _ in range(5)]
    rig = Rig(wire)
    for number, owner in enumerate(owners):
        rig.lanes.put(batch_of(owner, feed, 1, ["bad" if number == 2 else f"good-{number}"]))
    await rig.idle()
    assert [len(owner.settled_batches) for owner in owners] == [1, 1, 0, 1, 1]
    ((_, fault),) = owners[2].faults
    assert fault.status is grpc.StatusCode.INTERNAL


async def test_forces_are_never_mixed() -> None:
    wire, owner = Wire(), Owner()
    rig = Rig(wire)
    for force in ("essex", "kent"):
        rig.lanes.put(batch_of(owner, Feed(force, "f"), 1, [force]))
    await rig.idle()
    assert wire.appends == [1, 1]


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
async def test_every_batch_hears_once_and_in_order(
    plan: list[tuple[int, list[int]]], failures: list[Fault | None], lanes: int
) -> None:
    """Feeds' batches are committed in their order, duplicates add up, and nothing is left behind."""
    wire = Wire(*failures)
    rig = Rig(wire, reads=8, lanes=lanes)
    feeds = [Feed("essex", f"feed-{number}") for number in range(4)]
    owners = [Owner() for _ in feeds]
    for sequence, (number, reads) in enumerate(plan):
        ids = [f"{number}-{read}" for read in reads]
        rig.lanes.put(batch_of(owners[number], feeds[number], sequence, ids))
        if sequence % 5 == 0:
            await asyncio.sleep(0)
    await rig.idle()
    for number, owner in enumerate(owners):
        assert [sequence for sequence, _ in owner.settled_batches] == [
            sequence for sequence, (feed, _) in enumerate(plan) if feed == number
        ]
        assert not owner.faults
        first_seen = list(
            dict.fromkeys(f"{number}-{read}" for feed, reads in plan for read in reads if feed == number)
        )
        assert [read_id for read_id in wire.log if read_id.startswith(f"{number}-")] == first_seen
    sent = sum(len(reads) for _, reads in plan)
    repeated = sum(duplicate for owner in owners for _, duplicate in owner.settled_batches)
    assert len(wire.log) == sent - repeated
    assert wire.most_under_way <= lanes
