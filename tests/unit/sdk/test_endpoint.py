"""A server that keeps failing is left for another one behind the same address; what works stays."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.ingest.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server
from gantry_sdk import Backoff, read
from gantry_sdk.endpoint import FAILURES_BEFORE, Endpoint
from gantry_sdk.feed import FeedClient

from chassis.errors import DETAILS_KEY, Unavailable, encode_fault

QUICK = Backoff(0.001, 0.005)


class Door(IngestServiceServicer):
    """Takes reads, or refuses all of them as a server without a store does."""

    def __init__(self, well: bool) -> None:
        self.well = well
        self.calls = 0

    async def StreamReads(self, requests, context):
        self.calls += 1
        yield pb.StreamReadsResponse(
            flow_control=pb.FlowControl(max_batch_reads=10, max_batch_bytes=1 << 20, max_reads_in_flight=100)
        )
        async for request in requests:
            await self._refuse_unless_well(context)
            ack = pb.BatchAck(sequence=request.sequence, accepted=len(request.reads))
            yield pb.StreamReadsResponse(ack=ack)

    async def SubmitReads(self, request, context):
        self.calls += 1
        await self._refuse_unless_well(context)
        return pb.SubmitReadsResponse(ack=pb.BatchAck(accepted=len(request.reads)))

    async def _refuse_unless_well(self, context) -> None:
        if not self.well:
            fault = Unavailable("STORE_UNAVAILABLE", "away", retry_after=0.001)
            await context.abort(fault.status, fault.message, ((DETAILS_KEY, encode_fault(fault)),))


@pytest.fixture
async def doors():
    """A door that is sick and one that is well, and their channels."""
    sick, well = Door(well=False), Door(well=True)
    opened, channels = [], []
    for door in (sick, well):
        server = grpc.aio.server()
        add_IngestServiceServicer_to_server(door, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        opened.append(server)
        channels.append(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
    yield sick, well, channels
    for channel in channels:
        await channel.close()
    for server in opened:
        await server.stop(None)


def _read():
    return read(camera_id="c", read_id="1", captured_at=1, vrm="A1")


def _endpoint(channels) -> Endpoint:
    """First the sick one. The clock runs, so that it may be replaced at once."""
    times, turns = iter(range(0, 1_000_000, 10)), iter(channels)
    return Endpoint(lambda: next(turns), lambda: next(times))


async def test_a_stream_goes_to_another_server(doors) -> None:
    sick, well, channels = doors
    feed = FeedClient(_endpoint(channels), "gf_x", backoff=QUICK)
    async with asyncio.timeout(10), feed.stream() as stream:
        await stream.send([_read()])
        await stream.drain()
    assert (sick.calls, well.calls) == (FAILURES_BEFORE, 1)


async def test_a_single_call_goes_to_another_server(doors) -> None:
    sick, well, channels = doors
    async with asyncio.timeout(10):
        receipt = await FeedClient(_endpoint(channels), "gf_x", backoff=QUICK).submit([_read()])
    assert receipt.accepted == 1
    assert (sick.calls, well.calls) == (FAILURES_BEFORE, 1)


async def test_a_stream_that_works_stays_where_it_is(doors) -> None:
    sick, well, channels = doors
    endpoint = _endpoint(channels)
    sick.well = True
    async with asyncio.timeout(10), FeedClient(endpoint, "gf_x", backoff=QUICK).stream() as stream:
        await stream.wait_connected()
        endpoint.replace(channels[0])
        assert endpoint.channel is channels[1]
        await stream.send([_read()])
        await stream.drain()
        assert (sick.calls, well.calls) == (1, 0)


async def test_many_that_fail_together_replace_the_connection_once() -> None:
    now, made = 0.0, []

    def open_one() -> grpc.aio.Channel:
        made.append(grpc.aio.insecure_channel("127.0.0.1:1"))
        return made[-1]

    endpoint = Endpoint(open_one, lambda: now)
    endpoint.replace(made[0])
    assert len(made) == 1, "it is only just made"
    now = 10.0
    for _ in range(5):
        endpoint.replace(made[0])
    assert len(made) == 2
    assert endpoint.channel is made[1]
    await endpoint.close(1.0)
