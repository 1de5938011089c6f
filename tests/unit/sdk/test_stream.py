"""The SDK's stream against a server that follows a script: it breaks, refuses, forgets and comes back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.ingest.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server
from gantry_sdk import Backoff, FeedClient, FeedError, FeedRefused, Receipt, StreamLimits, prepare, read
from gantry_sdk.endpoint import Endpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import DETAILS_KEY, Fault, InvalidInput, Unavailable, encode_fault

QUICK = Backoff(first=0.001, most=0.01)
Script = Callable[["ScriptedServer", grpc.aio.ServicerContext], Awaitable[None]]


class ScriptedServer(IngestServiceServicer):
    """Plays one script a connection; the last one again and again. Keeps what it acknowledged."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = [*scripts, serve]
        self.durable: list[str] = []
        self.connections = 0
        self.tokens: list[str] = []
        self.traceparents: list[str] = []
        self.flow = pb.FlowControl(max_batch_reads=10, max_batch_bytes=10_000, max_reads_in_flight=40)
        self.in_flight = self.most_in_flight = 0

    async def StreamReads(self, requests: object, context: grpc.aio.ServicerContext) -> None:
        self.connections += 1
        self.in_flight = 0
        self.tokens.append(dict(context.invocation_metadata())["authorization"])
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        await script(self, context)

    async def welcome(self, context: grpc.aio.ServicerContext) -> None:
        await context.write(pb.StreamReadsResponse(flow_control=self.flow))

    async def take(self, context: grpc.aio.ServicerContext) -> pb.StreamReadsRequest | None:
        request = await context.read()
        if request is grpc.aio.EOF:
            return None
        self.traceparents.append(request.traceparent)
        self.in_flight += len(request.reads)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return request

    async def take_soon(self, context: grpc.aio.ServicerContext) -> pb.StreamReadsRequest | None:
        try:
            async with asyncio.timeout(0.05):
                return await self.take(context)
        except TimeoutError:
            return None

    async def acknowledge(self, context: grpc.aio.ServicerContext, request: pb.StreamReadsRequest) -> None:
        fresh = [each.read_id for each in request.reads if each.read_id not in self.durable]
        self.durable += fresh
        self.in_flight -= len(request.reads)
        repeated = len(request.reads) - len(fresh)
        ack = pb.BatchAck(sequence=request.sequence, accepted=len(fresh), duplicate=repeated)
        await context.write(pb.StreamReadsResponse(ack=ack))


async def serve(server: ScriptedServer, context: grpc.aio.ServicerContext) -> None:
    await server.welcome(context)
    after = -1
    while (request := await server.take(context)) is not None:
        assert request.sequence > after, "sequences must increase within a stream"
        after = request.sequence
        await server.acknowledge(context, request)


def broken_after(batches: int, *, acknowledged: int, fault: Fault | None = None) -> Script:
    """Takes batches, acknowledges some of them, and ends the stream."""

    async def script(server: ScriptedServer, context: grpc.aio.ServicerContext) -> None:
        await server.welcome(context)
        for number in range(batches):
            # The client may be waiting for acknowledgements that this script will not give.
            request = await server.take_soon(context)
            if request is None:
                break
            if number < acknowledged:
                await server.acknowledge(context, request)
            else:
                server.durable += [
                    each.read_id for each in request.reads if each.read_id not in server.durable
                ]
        await fail(context, fault or Unavailable("STOPPING", "bye", retry_after=0.001))

    return script


async def fail(context: grpc.aio.ServicerContext, fault: Fault) -> None:
    await context.abort(fault.status, fault.message, ((DETAILS_KEY, encode_fault(fault)),))


async def refuse(server: ScriptedServer, context: grpc.aio.ServicerContext) -> None:
    await fail(context, Unavailable("STORE_UNAVAILABLE", "away", retry_after=0.001))


Door = Callable[..., Awaitable[tuple[ScriptedServer, FeedClient]]]


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    opened: list[Callable[[], Awaitable[None]]] = []

    async def start(
        *scripts: Script, limits: StreamLimits | None = None
    ) -> tuple[ScriptedServer, FeedClient]:
        scripted, server = ScriptedServer(*scripts), grpc.aio.server()
        add_IngestServiceServicer_to_server(scripted, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        opened.extend((channel.close, lambda: server.stop(None)))
        return scripted, FeedClient(Endpoint(lambda: channel), "gf_x", limits=limits, backoff=QUICK)

    yield start
    for close in opened:
        await close()


_numbers = itertools.count(1)


def some(count: int) -> list[pb.SubmittedRead]:
    return [
        read(camera_id="c", read_id=f"{next(_numbers):09}", captured_at=1, vrm="A1") for _ in range(count)
    ]


async def test_receipts_come_in_order(door: Door) -> None:
    server, feed = await door()
    receipts: list[Receipt] = []
    async with feed.stream(receipts.append) as stream:
        for tag in range(20):
            await stream.send(some(3), tag=tag, traceparent=f"trace-{tag}")
    assert [receipt.tag for receipt in receipts] == list(range(20))
    assert all((receipt.accepted, receipt.reads) == (3, 3) and receipt.seconds > 0 for receipt in receipts)
    assert server.tokens == ["Bearer gf_x"]
    assert server.traceparents == [f"trace-{tag}" for tag in range(20)]


async def test_reads_without_acknowledgement_are_sent_again(door: Door) -> None:
    server, feed = await door(
        refuse,
        broken_after(3, acknowledged=1),
        refuse,
        broken_after(2, acknowledged=0),
        broken_after(0, acknowledged=0),
    )
    receipts: list[Receipt] = []
    reads = [some(2) for _ in range(12)]
    async with feed.stream(receipts.append) as stream:
        for tag, batch in enumerate(reads):
            await stream.send(batch, tag=tag)
    assert [receipt.tag for receipt in receipts] == list(range(12))
    assert sum(receipt.accepted + receipt.duplicate for receipt in receipts) == 24
    assert server.durable == [each.read_id for batch in reads for each in batch]
    assert server.connections == 6


async def test_a_batch_that_is_sent_while_a_lone_one_is_awaited_keeps_its_place(door: Door) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow_at_first(server: ScriptedServer, context: grpc.aio.ServicerContext) -> None:
        await server.welcome(context)
        first = await server.take(context)
        assert first is not None
        arrived.set()
        await go_on.wait()
        await server.acknowledge(context, first)
        while (request := await server.take(context)) is not None:
            await server.acknowledge(context, request)

    # After a connection without an acknowledgement the next one begins with a single batch.
    _, feed = await door(broken_after(1, acknowledged=0), slow_at_first)
    receipts: list[Receipt] = []
    first_receipt = asyncio.Event()

    def note(receipt: Receipt) -> None:
        receipts.append(receipt)
        first_receipt.set()

    async with feed.stream(note) as stream:
        await stream.send(some(1), tag=0)
        await arrived.wait()
        await stream.send(some(1), tag=1)
        go_on.set()
        await first_receipt.wait()
        for tag in range(2, 5):
            await asyncio.sleep(0)
            await stream.send(some(1), tag=tag)
    assert [receipt.tag for receipt in receipts] == list(range(5))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    breaks=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=5),
    batches=st.lists(st.integers(0, 25), min_size=1, max_size=15),
)
async def test_nothing_is_lost_however_it_breaks(
    door: Door, breaks: list[tuple[int, int]], batches: list[int]
) -> None:
    scripts = [broken_after(taken, acknowledged=min(acked, taken)) for taken, acked in breaks]
    server, feed = await door(*scripts)
    receipts: list[Receipt] = []
    sent = [some(count) for count in batches]
    async with feed.stream(receipts.append) as stream:
        for tag, reads in enumerate(sent):
            await stream.send(reads, tag=tag)
    assert server.durable == [each.read_id for reads in sent for each in reads]
    assert [receipt.sequence for receipt in receipts] == list(range(1, len(receipts) + 1))
    assert sum(receipt.accepted + receipt.duplicate for receipt in receipts) == sum(batches)
    assert list(dict.fromkeys(receipt.tag for receipt in receipts)) == list(range(len(batches)))
    assert server.most_in_flight <= server.flow.max_reads_in_flight


async def test_a_refusal_is_raised_where_it_is_seen(door: Door) -> None:
    bad = InvalidInput("MALFORMED_MESSAGE", "no")
    _, feed = await door(broken_after(2, acknowledged=1, fault=bad))
    stream = feed.stream()
    with pytest.raises(FeedRefused) as caught:
        await deliver(stream, ["first", "second"])
    assert caught.value.reason == "MALFORMED_MESSAGE"
    assert stream.unacknowledged == ["second"]
    assert stream.unacknowledged_reads == 1


async def deliver(stream: object, tags: list[str]) -> None:
    async with stream:
        for tag in tags:
            await stream.send(some(1), tag=tag)


async def test_an_ack_for_another_batch_is_a_broken_server(door: Door) -> None:
    async def confused(server: ScriptedServer, context: grpc.aio.ServicerContext) -> None:
        await server.welcome(context)
        await server.take(context)
        await context.write(pb.StreamReadsResponse(ack=pb.BatchAck(sequence=99)))
        await server.take(context)

    _, feed = await door(confused)
    with pytest.raises(FeedError, match="ACK_OUT_OF_ORDER"):
        await deliver(feed.stream(), ["x"])


async def test_what_a_receipt_handler_raises_is_raised(door: Door) -> None:
    _, feed = await door()

    def handler(receipt: Receipt) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await deliver(feed.stream(handler), ["x"])


async def test_send_waits_for_room(door: Door) -> None:
    gate = asyncio.Event()

    async def slow(server: ScriptedServer, context: grpc.aio.ServicerContext) -> None:
        await server.welcome(context)
        taken = [await server.take(context) for _ in range(2)]
        await gate.wait()
        for request in taken:
            await server.acknowledge(context, request)
        while (request := await server.take(context)) is not None:
            await server.acknowledge(context, request)

    server, feed = await door(slow, limits=StreamLimits(unacknowledged_reads=20))
    async with feed.stream() as stream:
        await stream.wait_connected()
        for _ in range(2):
            await stream.send(prepare(some(10)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await stream.send(prepare(some(10)), tag="later")
        assert stream.unacknowledged_reads == 20
        gate.set()
        await stream.send(prepare(some(10)))
    assert len(server.durable) == 30
    assert server.most_in_flight == 20


async def test_sends_are_kept_while_the_server_is_unavailable(door: Door) -> None:
    server, feed = await door(*[refuse] * 5)
    async with feed.stream() as stream:
        await stream.send(some(5))
        assert not stream.connected
        assert stream.unacknowledged_reads == 5
        await stream.drain()
        assert stream.connected
    assert len(server.durable) == 5


async def test_leaving_by_an_exception_abandons(door: Door) -> None:
    _, feed = await door(*[refuse] * 1_000)

    async def interrupted() -> None:
        async with feed.stream() as stream:
            await stream.send(some(1))
            raise KeyError

    with pytest.raises(KeyError):
        await interrupted()


async def test_a_stream_is_used_inside_its_block(door: Door) -> None:
    _, feed = await door()
    stream = feed.stream()
    with pytest.raises(ValueError, match="async with"):
        await stream.send(some(1))


async def test_deliver_reads_no_further_ahead_than_allowed(door: Door) -> None:
    _, feed = await door(limits=StreamLimits(unacknowledged_reads=100))
    given = 0

    async def batches() -> AsyncIterator[list[pb.SubmittedRead]]:
        nonlocal given
        for _ in range(3_000):
            given += 1
            yield []

    receipts = feed.deliver(batches())
    await anext(receipts)
    for _ in range(200):
        await asyncio.sleep(0.001)
    assert given < 1_500
    rest = [receipt async for receipt in receipts]
    assert len(rest) == 2_999


async def test_a_refusal_comes_through_however_much_is_being_sent(door: Door) -> None:
    """gRPC loses the status of a stream that ends during a write; the SDK must not retry without end."""
    bad = InvalidInput("MALFORMED_MESSAGE", "no")
    server, feed = await door(
        *[broken_after(1, acknowledged=1, fault=bad)] * 3, *[broken_after(1, acknowledged=0, fault=bad)] * 50
    )

    async def batches() -> AsyncIterator[list[pb.SubmittedRead]]:
        while True:
            yield some(1)

    with pytest.raises(FeedRefused) as caught:
        [receipt async for receipt in feed.deliver(batches())]
    assert caught.value.reason == "MALFORMED_MESSAGE"
    assert server.connections < 10
