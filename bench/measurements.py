"""The measurements themselves, each against a running suite."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.contracts import append, import_list, subscribed
from bench.generator import Plan
from bench.processor import processor_seconds
from bench.reads import ReadMaker, camera_ids, plates
from bench.sending import accepted_nationally, enrol, generate, plan, settle
from chassis.client import open_channel
from suite.suite import Suite

APPENDS_AT_ONCE: Final = 4
APPEND_READS: Final = 2_000
_LATE_SECONDS: Final = 15.0


@dataclass(frozen=True)
class Chain:
    """The result of a run of the whole chain: reads a second to the last receipt, acknowledgement times."""

    reads: int
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
            maker = ReadMaker(f"app-{force[:3]}", camera_ids(f"app-{force}", 40), plates(2), 2)
            runs = [maker.columns(APPEND_READS) for _ in range(count // len(forces) // APPEND_READS)]
            work += [(channel, force, runs[lane::APPENDS_AT_ONCE]) for lane in range(APPENDS_AT_ONCE)]
        appended = sum(len(runs) for _, _, runs in work) * APPEND_READS
        before = min((await accepted_nationally(suite)).values())
        started = time.perf_counter()
        await asyncio.gather(*(append(channel, force, runs) for channel, force, runs in work))
        rate = appended / (time.perf_counter() - started)
        # The next measurement must not include what follows from this one.
        await settle(suite, before + appended)
        return rate


async def chain_batches(suite: Suite, count: int, batch: int = 500) -> Chain:
    """Gateways of both forces send batches; the clock stops when match, NAS and NADC have every read."""
    feeds = await enrol(suite, "batches", feeds_a_force=2)
    before = min((await accepted_nationally(suite)).values())
    return await run_chain(suite, plan(suite, "batches", feeds, reads=count, batch=batch), before)


async def chain_single_reads(suite: Suite, seconds: float, streams: int = 1_000) -> Chain:
    """Streams send one read, wait for its acknowledgement, send the next; the chain follows live."""
    feeds = await enrol(suite, "single", feeds_a_force=10)
    before = min((await accepted_nationally(suite)).values())
    return await run_chain(suite, plan(suite, "single", feeds, seconds=seconds, streams=streams), before)


async def run_chain(suite: Suite, work: Plan, before: int) -> Chain:
    """Carry out a plan until match and all destinations have its reads, of which they had `before`."""
    used = processor_seconds(suite)
    outcome = await generate(work)
    ended = await settle(suite, before + outcome.acked)
    taken = {name: after - used.get(name, 0.0) for name, after in processor_seconds(suite).items()}
    taken["generator"] = outcome.cpu_seconds
    return Chain(
        outcome.acked,
        outcome.acked / (ended - outcome.started),
        percentile(outcome.ack_ms, 50),
        percentile(outcome.ack_ms, 99),
        {name: seconds / outcome.acked * 1e6 for name, seconds in sorted(taken.items())},
    )


async def import_plates(suite: Suite, entries: int) -> list[str]:
    """Import a hotlist of so many plates for the first force. Returns the plates."""
    listed = plates(77, entries)
    await import_list(suite, suite.settings.forces[0], listed)
    return listed


async def alert_latency(
    suite: Suite, listed: Sequence[str], rate: float, seconds: float, *, beside: float = 0.0
) -> list[float]:
    """Milliseconds from the camera's send to the subscriber's receipt of each alert of the first force.

    `listed` is its hotlist. Meanwhile another force sends `beside` reads a second, none of which is listed.
    """
    force, neighbour = suite.settings.forces[:2]
    label = "beside" if beside else "alerts"
    feeds = await enrol(suite, label, feeds_a_force=2)
    ours, theirs = ([feed for feed in feeds if feed.name.startswith(each[:3])] for each in (force, neighbour))
    hits = {"hits": listed[:: max(1, len(listed) // 500)], "hit_every": 50}
    arrived: dict[str, float] = {}
    async with subscribed(suite, force, arrived):
        works = [plan(suite, "paced", ours, rate=rate, seconds=seconds, **hits)]
        if beside:
            works.append(plan(suite, "paced", theirs, rate=beside, seconds=seconds))
        outcome, *_ = await asyncio.gather(*(generate(work) for work in works))
        deadline = time.monotonic() + _LATE_SECONDS
        while len(arrived.keys() & outcome.sent.keys()) < len(outcome.sent):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(outcome.sent) - len(arrived)} alerts did not arrive")
            await asyncio.sleep(0.05)
    return [(arrived[name] - sent) * 1000 for name, sent in outcome.sent.items()]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0
