"""The measurements themselves, each against a running suite."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.match.v1 import alert_pb2, alert_pb2_grpc, hotlist_pb2, hotlist_pb2_grpc
from gantry.store.v1 import store_pb2, store_pb2_grpc

from bench.generator import Plan
from bench.processor import processor_seconds
from bench.reads import ReadMaker, camera_ids, plates
from bench.sending import accepted_nationally, enrol, generate, plan, settle
from chassis.client import open_channel
from suite.suite import Suite

APPENDS_AT_ONCE: Final = 4
APPEND_READS: Final = 2_000
_PURPOSE: Final = Purpose(justification="benchmark with made-up vehicles")
_CHUNK_BYTES: Final = 512 * 1024
_LATE_SECONDS: Final = 15.0


@dataclass(frozen=True)
class Chain:
    """What a run of the whole chain showed: reads a second to the last receipt, and acknowledgement times."""

    reads_per_second: float
    ack_p50_ms: float
    ack_p99_ms: float
    processor_us: Mapping[str, float]
    """Microseconds of processor time a read, by process."""


async def store_append(suite: Suite, count: int) -> float:
    """Reads a second appended over mTLS in requests of 2,000, four at once for each force, acknowledged."""
    forces = suite.settings.forces
    async with contextlib.AsyncExitStack() as opened:
        work = []
        for force in forces:
            channel = await opened.enter_async_context(
                open_channel(suite.address("store"), suite.service("ingest"))
            )
            stub = store_pb2_grpc.StoreServiceStub(channel)
            maker = ReadMaker(f"app-{force[:3]}", camera_ids(f"app-{force}", 40), plates(2), 2)
            runs = [maker.columns(APPEND_READS) for _ in range(count // len(forces) // APPEND_READS)]
            work += [(stub, force, runs[lane::APPENDS_AT_ONCE]) for lane in range(APPENDS_AT_ONCE)]
        appended = sum(len(runs) for _, _, runs in work) * APPEND_READS
        before = min((await accepted_nationally(suite)).values())
        started = time.perf_counter()
        await asyncio.gather(*(_append(stub, force, runs) for stub, force, runs in work))
        rate = appended / (time.perf_counter() - started)
        # The next measurement must not pay for what follows from this one.
        await settle(suite, before + appended)
        return rate


async def _append(
    stub: store_pb2_grpc.StoreServiceAsyncStub, force: str, runs: Sequence[ReadColumns]
) -> None:
    for reads in runs:
        await stub.AppendReads(store_pb2.AppendReadsRequest(force=force, reads=reads), timeout=60)


async def chain_batches(suite: Suite, count: int, batch: int = 500) -> Chain:
    """Gateways of both forces send batches; the clock stops when match, NAS and NADC have every read."""
    feeds = await enrol(suite, "batches", feeds_a_force=2)
    before = min((await accepted_nationally(suite)).values())
    return await _run_chain(suite, plan(suite, "batches", feeds, reads=count, batch=batch), before)


async def chain_single_reads(suite: Suite, seconds: float, streams: int = 1_000) -> Chain:
    """Streams send one read, wait for its acknowledgement, send the next; the chain follows live."""
    feeds = await enrol(suite, "single", feeds_a_force=10)
    before = min((await accepted_nationally(suite)).values())
    return await _run_chain(suite, plan(suite, "single", feeds, seconds=seconds, streams=streams), before)


async def _run_chain(suite: Suite, work: Plan, before: int) -> Chain:
    used = processor_seconds(suite)
    outcome = await generate(work)
    ended = await settle(suite, before + outcome.acked)
    taken = {name: after - used.get(name, 0.0) for name, after in processor_seconds(suite).items()}
    taken["generator"] = outcome.cpu_seconds
    return Chain(
        outcome.acked / (ended - outcome.started),
        percentile(outcome.ack_ms, 50),
        percentile(outcome.ack_ms, 99),
        {name: seconds / outcome.acked * 1e6 for name, seconds in sorted(taken.items())},
    )


async def alert_latency(suite: Suite, rate: float, seconds: float, entries: int) -> list[float]:
    """Milliseconds from the camera's send to the subscriber's receipt of each alert, entries in the index."""
    force = suite.settings.forces[0]
    listed = plates(77, entries)
    await _import(suite, force, listed)
    feeds = [
        feed for feed in await enrol(suite, "alerts", feeds_a_force=2) if feed.name.startswith(force[:3])
    ]
    arrived: dict[str, float] = {}
    async with _subscribed(suite, force, arrived):
        outcome = await generate(
            plan(
                suite,
                "paced",
                feeds,
                rate=rate,
                seconds=seconds,
                hits=listed[:: entries // 500],
                hit_every=50,
            )
        )
        deadline = time.monotonic() + _LATE_SECONDS
        while len(arrived.keys() & outcome.sent.keys()) < len(outcome.sent):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(outcome.sent) - len(arrived)} alerts did not arrive")
            await asyncio.sleep(0.05)
    return [(arrived[name] - sent) * 1000 for name, sent in outcome.sent.items()]


async def _import(suite: Suite, force: str, listed: Sequence[str]) -> None:
    async with open_channel(suite.address("match"), suite.person()) as channel:
        stub = hotlist_pb2_grpc.HotlistServiceStub(channel)
        await stub.ImportHotlist(_parts(force, listed), timeout=300)


def _parts(force: str, listed: Sequence[str]) -> Iterator[hotlist_pb2.ImportHotlistRequest]:
    header = hotlist_pb2.ImportHeader(
        force=force, name="bench", purpose=_PURPOSE, near_matches=True, request_id=str(uuid.uuid4())
    )
    yield hotlist_pb2.ImportHotlistRequest(header=header)
    text = io.BytesIO(("vrm,reason\n" + "".join(f"{vrm},benchmark\n" for vrm in listed)).encode())
    while chunk := text.read(_CHUNK_BYTES):
        yield hotlist_pb2.ImportHotlistRequest(chunk=chunk)


@contextlib.asynccontextmanager
async def _subscribed(suite: Suite, force: str, arrived: dict[str, float]) -> AsyncIterator[None]:
    async with open_channel(suite.address("match"), suite.person()) as channel:
        stub = alert_pb2_grpc.AlertServiceStub(channel)
        call = stub.Subscribe(alert_pb2.SubscribeRequest(force=force, purpose=_PURPOSE))
        ready = asyncio.Event()

        async def listen() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                async for response in call:
                    ready.set()
                    if response.HasField("alert"):
                        read = response.alert.read
                        arrived.setdefault(f"{read.camera_id}/{read.read_id}", time.time())

        listening = asyncio.create_task(listen(), name="bench subscriber")
        try:
            async with asyncio.timeout(15):
                await ready.wait()
            yield
        finally:
            call.cancel()
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                await listening


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0
