"""A stream holds little, whatever its vendor does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc
import pytest
from gantry.ingest.v1 import ingest_pb2 as pb

from chassis.errors import Fault, Unavailable
from chassis.tracing import UNSAMPLED
from services.ingest.appending.availability import StoreAvailability
from services.ingest.appending.batch import PendingBatch, Submitter
from services.ingest.appending.memory import Memory, MemoryShare
from services.ingest.appending.pace import Pace
from services.ingest.cameras.feeds import Feed
from services.ingest.checking.batch import Verdict
from services.ingest.door.stream import FeedStream, StreamLimits

LIMITS = StreamLimits(reads=10, cost=1_000_000, flow_control=b"flow")


class Wire:
    """A vendor that sends without end, and reads only while `reading` is set."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.reading.set()
        self.sent = 0
        self.written: list[bytes] = []
        self.last: int | None = None

    async def read(self) -> object:
        await asyncio.sleep(0)
        if self.last is not None and self.sent >= self.last:
            return grpc.aio.EOF
        self.sent += 1
        return b"message"

    async def write(self, data: bytes) -> None:
        await self.reading.wait()
        self.written.append(data)

    def acks(self) -> list[int]:
        return [pb.StreamReadsResponse.FromString(data).ack.sequence for data in self.written[1:]]


class Door:
    """Receiver and appends: takes batches of one read, and settles the given ones."""

    def __init__(self, reads: int = 1, memory: MemoryShare | None = None) -> None:
        self.memory = memory or Memory(10**9).of("essex")
        self.force, self.pace = "essex", Pace(0)
        self.availability = StoreAvailability(1.0)
        self.batches: list[PendingBatch] = []
        self.settling: Callable[[PendingBatch], bool] = lambda _: False
        self.reads = reads

    def stream_batch(self, submitter: Submitter, key: bytes, data: bytes, after: int) -> PendingBatch:
        sequence = after + 1
        verdict = Verdict(kept=self.reads)
        return PendingBatch(submitter, Feed("essex", "f"), sequence, verdict, verdict.kept, 100, UNSAMPLED)

    def check(self) -> None:
        self.availability.check()

    def try_turn(self, size: int) -> bool:
        return False

    async def turn(self, feed: bytes, size: int) -> None:
        assert (feed, size) == (b"key", len(b"message"))

    def put(self, batch: PendingBatch) -> None:
        self.batches.append(batch)
        if self.settling(batch):
            batch.submitter.settled(batch)


def stream_of(wire: Wire, door: Door) -> FeedStream:
    return FeedStream(wire, b"key", door, door, LIMITS)


async def turns(count: int = 200) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def ended(serving: asyncio.Task[None]) -> None:
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_unacknowledged_reads_are_bounded() -> None:
    wire, door = Wire(), Door()
    serving = asyncio.create_task(stream_of(wire, door).serve())
    await turns()
    assert wire.sent == 10
    for batch in door.batches[:4]:
        batch.submitter.settled(batch)
    await turns()
    assert wire.sent == 14
    assert wire.acks() == [0, 1, 2, 3]
    await ended(serving)


async def test_a_vendor_who_reads_no_acknowledgement_is_not_read_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.ingest.door.stream._MOST_UNWRITTEN", 10_000)
    wire, door = Wire(), Door(reads=0)
    door.settling = lambda _: True
    serving = asyncio.create_task(stream_of(wire, door).serve())
    await turns(20)
    wire.reading.clear()
    await turns(2_000)
    sent = wire.sent
    await turns(1_000)
    assert wire.sent == sent
    assert sent < 200
    wire.reading.set()
    await turns(1_000)
    assert wire.sent > sent
    await ended(serving)


async def test_a_stream_waits_for_memory() -> None:
    memory = Memory(200).of("essex")
    wire, door = Wire(), Door(memory=memory)
    memory.take(100)
    serving = asyncio.create_task(stream_of(wire, door).serve())
    await turns()
    assert wire.sent == 0
    memory.release(100)
    await turns()
    assert wire.sent == 10
    await ended(serving)


async def test_acknowledgements_keep_the_order_of_batches() -> None:
    wire, door = Wire(), Door()
    wire.last = 5
    serving = asyncio.create_task(stream_of(wire, door).serve())
    await turns()
    for index in (3, 1, 4, 0, 2):
        door.batches[index].submitter.settled(door.batches[index])
        await turns(5)
    await serving
    assert wire.acks() == [0, 1, 2, 3, 4]


async def test_an_end_waits_for_what_is_under_way() -> None:
    wire, door = Wire(), Door()
    stream = stream_of(wire, door)
    serving = asyncio.create_task(stream.serve())
    await turns()
    stream.end(Unavailable("STOPPING", "going"))
    await turns()
    assert not serving.done()
    for batch in door.batches:
        batch.submitter.settled(batch)
    with pytest.raises(Fault, match="STOPPING"):
        await serving
    assert wire.acks() == list(range(10))


async def test_a_failed_batch_ends_the_stream_after_what_was_settled() -> None:
    wire, door = Wire(), Door()
    serving = asyncio.create_task(stream_of(wire, door).serve())
    await turns()
    door.batches[0].submitter.settled(door.batches[0])
    door.batches[1].submitter.failed(door.batches[1], Unavailable("STORE_UNAVAILABLE", "away"))
    door.batches[2].submitter.settled(door.batches[2])
    with pytest.raises(Fault, match="STORE_UNAVAILABLE"):
        await serving
    assert wire.acks() == [0]


async def test_an_unexpected_error_ends_the_stream() -> None:
    wire, door = Wire(), Door()

    def broken(batch: PendingBatch) -> bool:
        raise ZeroDivisionError

    door.settling = broken
    with pytest.raises(ZeroDivisionError):
        await stream_of(wire, door).serve()


async def test_a_stream_that_waits_for_room_ends_too() -> None:
    memory = Memory(100).of("essex")
    memory.take(60)
    stream = stream_of(Wire(), Door(memory=memory))
    serving = asyncio.create_task(stream.serve())
    await turns()
    stream.end(Unavailable("STOPPING", "ends"))
    with pytest.raises(Fault, match="STOPPING"):
        async with asyncio.timeout(5):
            await serving


async def test_what_comes_after_the_end_is_dropped() -> None:
    wire, door = Wire(), Door()
    serving = asyncio.create_task((stream := stream_of(wire, door)).serve())
    await turns()
    assert (taken := len(door.batches)) == LIMITS.reads
    stream.end(Unavailable("STOPPING", "ends"))
    for batch in door.batches:
        stream.settled(batch)
    wire.last = wire.sent + 50
    with pytest.raises(Fault, match="STOPPING"):
        await serving
    assert wire.sent == wire.last
    assert len(door.batches) == taken
