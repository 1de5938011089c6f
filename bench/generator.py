"""The sending side of a measurement: ``python -m bench.generator`` with a plan on standard input.

It is a process of its own and uses the SDK that vendors get. Prints one JSON object at the end.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import getrandbits
from typing import Final

import uvloop
from gantry_sdk import Connection, FeedClient, PreparedBatch, ReadStream, Receipt, StreamLimits

from bench.reads import ReadMaker, in_runs, plates

_OPENED_AT_ONCE: Final = 50
_TICK_SECONDS: Final = 0.01
# Streams that share a connection share its system calls.
_CHANNELS: Final = 4
_MOST_SINGLE: Final = 10_000

Stock = Callable[[], PreparedBatch]


@dataclass(frozen=True)
class FeedPlan:
    """One feed and its cameras. `token` is its secret."""

    name: str
    token: str
    cameras: Sequence[str]


@dataclass(frozen=True)
class Plan:
    """What to send.

    ``batches`` sends `reads` in all as fast as they are acknowledged; ``single`` sends reads one by one on
    `streams` streams, each after the acknowledgement of the one before, for `seconds`; ``paced`` sends
    `rate` reads a second for `seconds`, of which one in `hit_every` (0: none) shows a plate of `hits`.
    `traced`: each batch asks to be followed as a trace of its own, or not to be; None: says nothing.
    """

    mode: str
    target: str
    authority: str
    feeds: Sequence[FeedPlan]
    seed: int = 1
    reads: int = 0
    batch: int = 500
    streams: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    hits: Sequence[str] = ()
    hit_every: int = 0
    traced: bool | None = None

    def traceparent(self) -> str:
        """That of the next batch."""
        if self.traced is None:
            return ""
        return f"00-{getrandbits(128) | 1:032x}-{getrandbits(64) | 1:016x}-0{int(self.traced)}"


@dataclass
class Outcome:
    """The result. `sent` maps CAMERA/READ_ID of planned hits to the time of sending, seconds since 1970."""

    acked: int = 0
    rejected: int = 0
    started: float = 0.0
    ended: float = 0.0
    cpu_seconds: float = 0.0
    ack_ms: list[float] = field(default_factory=list)
    sent: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Start the clocks."""
        self.started = time.time()
        self.cpu_seconds = -time.process_time()

    def stop(self) -> None:
        """Stop the clocks."""
        self.ended = time.time()
        self.cpu_seconds += time.process_time()

    def take(self, receipt: Receipt) -> None:
        """Count a receipt."""
        self.acked += receipt.accepted + receipt.duplicate
        self.rejected += len(receipt.rejections)
        self.ack_ms.append(receipt.seconds * 1000)


async def _batches(plan: Plan, connection: Connection, outcome: Outcome) -> None:
    pool = plates(plan.seed)
    limits = StreamLimits(unacknowledged_reads=8 * plan.batch)
    share = plan.reads // len(plan.feeds)

    async def gateway(feed: FeedPlan) -> None:
        maker = ReadMaker(feed.name, feed.cameras, pool, plan.seed)
        client = connection.feed(feed.token, limits=limits)
        async with client.stream(outcome.take) as stream:
            for run in in_runs(share, plan.batch):
                await stream.send(PreparedBatch(maker.batch(run), run), traceparent=plan.traceparent())

    outcome.start()
    await asyncio.gather(*(gateway(feed) for feed in plan.feeds))


async def _single(plan: Plan, connection: Connection, outcome: Outcome) -> None:
    pool = plates(plan.seed)
    stocks = [
        _stock(
            ReadMaker(feed.name, feed.cameras, pool, plan.seed),
            int(plan.seconds * _MOST_SINGLE / len(plan.feeds)),
        )
        for feed in plan.feeds
    ]
    clients = [connection.feed(feed.token) for feed in plan.feeds]
    opened, ready = asyncio.Semaphore(_OPENED_AT_ONCE), asyncio.Event()
    waiting = plan.streams
    until = 0.0

    async def camera(client: FeedClient, stock: Stock) -> None:
        nonlocal waiting, until
        async with client.stream(outcome.take) as stream:
            async with opened:
                await stream.wait_connected()
            waiting -= 1
            if not waiting:
                outcome.start()
                until = time.monotonic() + plan.seconds
                ready.set()
            await ready.wait()
            await _one_by_one(plan, stream, stock, lambda: time.monotonic() < until)

    async with asyncio.TaskGroup() as cameras:
        for number in range(plan.streams):
            chosen = number % len(plan.feeds)
            cameras.create_task(camera(clients[chosen], stocks[chosen]))


def _stock(maker: ReadMaker, count: int) -> Stock:
    """Makes single reads before the clock starts: real cameras do not use this machine's processor."""
    made = deque(maker.batch(1) for _ in range(count))
    return lambda: PreparedBatch(made.popleft() if made else maker.batch(1), 1)


async def _one_by_one(plan: Plan, stream: ReadStream, stock: Stock, going: Callable[[], bool]) -> None:
    while going():
        await stream.send(stock(), traceparent=plan.traceparent())
        await stream.drain()


async def _paced(plan: Plan, connection: Connection, outcome: Outcome) -> None:
    pool = plates(plan.seed)
    async with asyncio.TaskGroup() as gateways:
        outcome.start()
        for feed in plan.feeds:
            maker = ReadMaker(feed.name, feed.cameras, pool, plan.seed)
            gateways.create_task(_pace(plan, connection.feed(feed.token), maker, outcome))


async def _pace(plan: Plan, client: FeedClient, maker: ReadMaker, outcome: Outcome) -> None:
    start, sent, rate = time.monotonic(), 0, plan.rate / len(plan.feeds)
    async with client.stream(outcome.take) as stream:
        while (passed := time.monotonic() - start) < plan.seconds:
            due = int(passed * rate) - sent
            if due > 0:
                reads = maker.requests(due)
                now = time.time()
                for number, read in enumerate(reads, sent):
                    if plan.hit_every and number % plan.hit_every == 0:
                        read.vrm = plan.hits[number // plan.hit_every % len(plan.hits)]
                        outcome.sent[f"{read.camera_id}/{read.read_id}"] = now
                await stream.send(reads, traceparent=plan.traceparent())
                sent += due
            await asyncio.sleep(_TICK_SECONDS)


async def run(plan: Plan) -> Outcome:
    """Carry out the plan."""
    outcome = Outcome()
    modes = {"batches": _batches, "single": _single, "paced": _paced}
    channels = min(len(plan.feeds), _CHANNELS)
    authority = Path(plan.authority)
    async with Connection(
        plan.target, authority=authority, server_name="localhost", channels=channels
    ) as connection:
        await modes[plan.mode](plan, connection, outcome)
    outcome.stop()
    return outcome


def main() -> None:
    """Read the plan, carry it out, print the outcome."""
    content = json.load(sys.stdin)
    plan = Plan(**{**content, "feeds": [FeedPlan(**feed) for feed in content["feeds"]]})
    # A thousand streams are a million objects that stay, which the collector need not examine.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    outcome = uvloop.run(run(plan))
    json.dump(asdict(outcome), sys.stdout)


if __name__ == "__main__":
    main()
