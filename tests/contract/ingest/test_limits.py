"""Messages that a vendor may not send: status, reason, and the acknowledgement of earlier batches."""

from __future__ import annotations

import asyncio
import signal

import grpc
import pytest
from gantry.ingest.v1 import ingest_pb2 as pb

from chassis.errors import Fault, fault_from
from tests.contract.ingest.conftest import RunningIngest, StartIngest, StoreProcess, eventually, unique_ids
from tests.contract.ingest.test_deliver import reads_of

STREAM = "/gantry.ingest.v1.IngestService/StreamReads"
SUBMIT = "/gantry.ingest.v1.IngestService/SubmitReads"


class RawStream:
    """A vendor's stream without the SDK's manners."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        stream = channel.stream_stream(STREAM, None, pb.StreamReadsResponse.FromString)
        self.call = stream(metadata=[("authorization", f"Bearer {token}")])

    async def send(self, sequence: int, reads: list[pb.SubmittedRead]) -> None:
        await self.call.write(pb.StreamReadsRequest(sequence=sequence, reads=reads).SerializeToString())

    async def flow_control(self) -> pb.FlowControl:
        return (await self.call.read()).flow_control

    async def fault(self) -> Fault:
        """Read to the end, which must be a failure."""
        try:
            while await self.call.read() is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError as error:
            return fault_from(error)
        raise AssertionError("the stream ended well")


@pytest.fixture
async def token(ingest: RunningIngest, force: str) -> str:
    return await ingest.enrol(force, "gateway", "a")


async def test_flow_control_comes_first(ingest: RunningIngest, token: str) -> None:
    flow = await RawStream(await ingest.channel(), token).flow_control()
    assert (flow.max_batch_reads, flow.max_reads_in_flight) == (1_000, 5_000)
    assert flow.max_batch_bytes == 4 * 1024 * 1024


async def test_reads_may_come_before_flow_control(ingest: RunningIngest, token: str) -> None:
    stream = RawStream(await ingest.channel(), token)
    await stream.send(5, reads_of("a", unique_ids(10)))
    await stream.call.done_writing()
    assert (await stream.call.read()).HasField("flow_control")
    ack = (await stream.call.read()).ack
    assert (ack.sequence, ack.accepted) == (5, 10)
    assert await stream.call.read() is grpc.aio.EOF


async def test_a_vendor_that_still_sends_gets_the_fault(ingest: RunningIngest, token: str) -> None:
    """A write that meets the end of its stream would hide it: 200 tries, eight at once."""
    channel = await ingest.channel()
    batch = pb.StreamReadsRequest(sequence=1, reads=reads_of("a", unique_ids(300))).SerializeToString()

    async def reasons(tries: int) -> list[str]:
        found = []
        for _ in range(tries):
            stream = RawStream(channel, token)
            stream.call = channel.stream_stream(STREAM, None, pb.StreamReadsResponse.FromString)(
                iter([batch] * 100), metadata=[("authorization", f"Bearer {token}")]
            )
            found.append((await stream.fault()).reason)
        return found

    answers = await asyncio.gather(*(reasons(25) for _ in range(8)))
    assert {each for some in answers for each in some} == {"SEQUENCE_NOT_INCREASING"}


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (b"\xff\xff", "MALFORMED_MESSAGE"),
        (b"\x08\x09" + b"\x12\x00" * 1_001, "BATCH_TOO_LARGE"),
        (b"\x08\x09" + b"\x12\x00" * 200_000, "BATCH_TOO_LARGE"),
        (b"\x08\x01", "SEQUENCE_NOT_INCREASING"),
        (b"\x08\x02", "SEQUENCE_NOT_INCREASING"),
    ],
)
async def test_what_ends_a_stream(ingest: RunningIngest, token: str, last: bytes, reason: str) -> None:
    stream = RawStream(await ingest.channel(), token)
    await stream.flow_control()
    await stream.send(1, reads_of("a", unique_ids(3)))
    await stream.send(2, reads_of("a", unique_ids(4)))
    await stream.call.write(last)
    acks = [(await stream.call.read()).ack for _ in range(2)]
    assert [(ack.sequence, ack.accepted) for ack in acks] == [(1, 3), (2, 4)]
    fault = await stream.fault()
    assert (fault.status, fault.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert fault.message


@pytest.mark.parametrize(
    ("data", "reason"), [(b"\xff", "MALFORMED_MESSAGE"), (b"\x0a\x00" * 1_001, "BATCH_TOO_LARGE")]
)
async def test_what_a_single_call_may_not_send(
    ingest: RunningIngest, token: str, data: bytes, reason: str
) -> None:
    submit = (await ingest.channel()).unary_unary(SUBMIT, None, None)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await submit(data, metadata=[("authorization", f"Bearer {token}")])
    assert fault_from(caught.value).reason == reason


async def test_a_message_that_is_too_large(ingest: RunningIngest, token: str) -> None:
    channel = await ingest.channel()
    stream = RawStream(channel, token)
    await stream.flow_control()
    await stream.call.write(b"\x12" + b"\x80\x80\x80\x02" + bytes(4 * 1024 * 1024))
    assert (await stream.fault()).status is grpc.StatusCode.RESOURCE_EXHAUSTED
    await eventually(lambda: ingest.parts.door.streams == 0)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ([], "TOKEN_MISSING"),
        ([("authorization", "Bearer ")], "TOKEN_MISSING"),
        ([("authorization", "Basic Zm9v")], "TOKEN_MISSING"),
        ([("authorization", "Bearer gf_none")], "TOKEN_UNKNOWN"),
    ],
)
async def test_tokens(ingest: RunningIngest, metadata: list[tuple[str, str]], reason: str) -> None:
    channel = await ingest.channel()
    for call in (
        channel.unary_unary(SUBMIT, None, None)(b"", metadata=metadata),
        channel.stream_stream(STREAM, None, None)(metadata=metadata).read(),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        fault = fault_from(caught.value)
        assert (fault.status, fault.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)


async def test_too_many_streams(start_ingest: StartIngest, force: str) -> None:
    ingest = await start_ingest(streams_per_feed=2)
    token, channel = await ingest.enrol(force, "gateway", "a"), await ingest.channel()
    streams = [RawStream(channel, token) for _ in range(2)]
    for stream in streams:
        await stream.flow_control()
    fault = await RawStream(channel, token).fault()
    assert (fault.status, fault.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MUCH_IN_FLIGHT")
    assert fault.retry_after is not None
    streams.pop().call.cancel()
    await eventually(lambda: ingest.parts.door.streams == 1)
    assert (await RawStream(channel, token).flow_control()).max_batch_reads


async def test_an_abrupt_end_leaves_nothing(ingest: RunningIngest, token: str) -> None:
    stream = RawStream(await ingest.channel(), token)
    await stream.flow_control()
    await stream.send(1, reads_of("a", unique_ids(50)))
    stream.call.cancel()
    await eventually(lambda: ingest.parts.door.streams == 0 and ingest.parts.memory.used == 0)


@pytest.mark.parametrize("limits", [{"stream_reads": 50}, {"total_bytes": 1024 * 1024}])
async def test_a_slow_store_holds_vendors_back(
    start_ingest: StartIngest, store_process: StoreProcess, force: str, limits: dict[str, int]
) -> None:
    """Beyond the limit nothing is read from the stream; when the store goes on, nothing was lost."""
    ingest = await start_ingest(**limits)
    token = await ingest.enrol(force, "gateway", "a")
    stream = RawStream(await ingest.channel(), token)
    await stream.flow_control()
    store_process.process.send(signal.SIGSTOP)
    try:
        # As many as gRPC will hold on both sides, and more than that.
        sending = asyncio.create_task(send_many(stream, 400, 50))
        await eventually(lambda: ingest.parts.appends.queued_reads + ingest.parts.memory.used > 0)
        most = limits.get("total_bytes", 50 * 2 * 2048) + 200 * 1024
        for _ in range(20):
            assert ingest.parts.memory.used <= most
            await asyncio.sleep(0.01)
        if "total_bytes" in limits:
            await eventually(lambda: ingest.parts.memory.of(force).full)
            submit = (await ingest.channel()).unary_unary(SUBMIT, None, None)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await submit(b"", metadata=[("authorization", f"Bearer {token}")])
            fault = fault_from(caught.value)
            assert (fault.reason, fault.status) == ("TOO_MUCH_IN_FLIGHT", grpc.StatusCode.RESOURCE_EXHAUSTED)
            assert fault.retry_after is not None
    finally:
        store_process.process.send(signal.SIGCONT)
    accepted = 0
    while accepted < 400 * 50:
        accepted += (await stream.call.read()).ack.accepted
    await sending
    await eventually(lambda: ingest.parts.memory.used == 0)


async def send_many(stream: RawStream, batches: int, reads: int) -> None:
    for sequence in range(1, batches + 1):
        await stream.send(sequence, reads_of("a", unique_ids(reads)))
