"""One force floods the door with pictures over many streams: another force's reads are hardly slower."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import pytest
from gantry.ingest.v1.ingest_pb2 import StreamReadsRequest, StreamReadsResponse

from chassis.errors import Fault
from tests.chaos.flooder import flooding
from tests.e2e.door import SERVICE, ReadMaker, bearer, enrol, public_channel, submit_reads
from tests.e2e.machine import fresh_suite

pytestmark = pytest.mark.timeout(300)

STREAMS = 12
SECONDS = 15.0
WARM_SECONDS = 3.0
BETWEEN_READS = 0.02
BETWEEN_CALLS = 0.1
TIMES_ITS_OWN = 2.0
OR_MORE = 0.05


@dataclass
class Seen:
    """The times until acknowledgements, of a stream and of single calls, and the refusals."""

    streamed: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


async def test_a_flood_of_pictures_leaves_another_force_its_share() -> None:
    async with fresh_suite("essex", "kent") as suite, public_channel(suite) as channel:
        flood = await enrol(suite, "essex", "flood", kind=1)
        calm = ReadMaker(await enrol(suite, "kent", "calm"))
        await _seen(channel, calm, WARM_SECONDS)
        own = await _seen(channel, calm, SECONDS)
        async with flooding(suite, flood, STREAMS) as process:
            await _seen(channel, calm, WARM_SECONDS)
            flooded = await _seen(channel, calm, SECONDS)
            assert process.returncode is None
    assert not own.refused + flooded.refused
    for kind in ("streamed", "single"):
        before, after = (_p99(getattr(seen, kind)) for seen in (own, flooded))
        assert after <= max(before * TIMES_ITS_OWN, before + OR_MORE), (
            f"{kind}: {before:.3f} s, {after:.3f} s"
        )


async def _seen(channel: grpc.aio.Channel, maker: ReadMaker, seconds: float) -> Seen:
    seen = Seen()
    await asyncio.gather(_stream(channel, maker, seconds, seen), _call(channel, maker, seconds, seen))
    return seen


async def _stream(channel: grpc.aio.Channel, maker: ReadMaker, seconds: float, seen: Seen) -> None:
    sent: dict[int, float] = {}
    ends_at = time.monotonic() + seconds

    async def batches() -> AsyncIterator[bytes]:
        while time.monotonic() < ends_at:
            sequence = len(sent)
            sent[sequence] = time.monotonic()
            yield StreamReadsRequest(sequence=sequence, reads=[maker.one("KV63WYX")]).SerializeToString()
            await asyncio.sleep(BETWEEN_READS)

    stream = channel.stream_stream(f"{SERVICE}/StreamReads", None, StreamReadsResponse.FromString)
    async for answer in stream(batches(), metadata=bearer(maker.feed.token)):
        if answer.HasField("ack"):
            seen.streamed.append(time.monotonic() - sent[answer.ack.sequence])
    assert len(seen.streamed) == len(sent)


async def _call(channel: grpc.aio.Channel, maker: ReadMaker, seconds: float, seen: Seen) -> None:
    single = ReadMaker(maker.feed)
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        began = time.monotonic()
        try:
            await submit_reads(channel, maker.feed.token, [single.one("KV63WYX")])
        except Fault as fault:
            seen.refused[fault.reason] += 1
        else:
            seen.single.append(time.monotonic() - began)
        await asyncio.sleep(BETWEEN_CALLS)


def _p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]
