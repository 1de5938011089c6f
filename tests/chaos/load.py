"""A steady load of some thousand reads a second from a few gateways: counted, and not remembered."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from gantry_sdk import Connection, ReadStream, Receipt

from suite.suite import Suite
from tests.e2e.door import EnrolledFeed, PatientFeed, ReadMaker, enrol
from tests.e2e.hotlists import import_plates
from tests.e2e.outcome import buffer_status, match_status, national_counts, settled

GATEWAYS_A_FORCE = 4
BATCH_READS = 50
LISTED = "KV63WYX"
_LISTED_SHARE = 0.01
_PLATES = tuple(f"YT{number}{three}" for number in range(50, 70) for three in ("ZKW", "MPA", "RNE"))


@dataclass
class Load:
    """What was sent and acknowledged, by force. `ack_seconds` has each batch's wait, by what went on then."""

    sent: Counter[str] = field(default_factory=Counter)
    listed: Counter[str] = field(default_factory=Counter)
    acked: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    ack_seconds: dict[str, list[float]] = field(default_factory=dict)
    now: str = "steady"
    stopping: bool = False

    def note(self, receipt: Receipt) -> None:
        """Take the answer to a batch, whose tag is its force."""
        self.acked[str(receipt.tag)] += receipt.accepted + receipt.duplicate
        self.refused += [rejection.message for rejection in receipt.rejections]
        self.ack_seconds.setdefault(self.now, []).append(receipt.seconds)

    def p99(self, what: str | None = None) -> float:
        """The 99th percentile of the wait for an acknowledgement, of one time or of all."""
        times = sorted(
            each for name, found in self.ack_seconds.items() for each in found if what in {None, name}
        )
        return times[len(times) * 99 // 100]


@asynccontextmanager
async def loading(suite: Suite, connection: Connection, reads_a_second: float) -> AsyncIterator[Load]:
    """Send until the block is left, and then wait for the last acknowledgements."""
    load = Load()
    feeds: list[EnrolledFeed] = []
    for force in suite.settings.forces:
        await import_plates(suite, force, [LISTED])
        feeds += [await enrol(suite, force, f"{force}-{number}") for number in range(GATEWAYS_A_FORCE)]
    tick = BATCH_READS * len(feeds) / reads_a_second
    async with asyncio.TaskGroup() as gateways:
        for number, feed in enumerate(feeds):
            gateways.create_task(_gateway(load, connection, feed, random.Random(number), tick))
        try:
            yield load
        finally:
            load.stopping = True


async def everything_arrived(suite: Suite, load: Load, *, within: float) -> None:
    """Each read is stored once, counted once at each destination, and alerted if its plate is listed."""
    assert load.refused == []
    assert load.acked == load.sent
    for force, reads in load.sent.items():
        await settled(suite, force, reads, within=within)
        assert (await buffer_status(suite, force)).reads_stored == reads
        assert (await match_status(suite, force)).alerts_raised == load.listed[force]
        for name in suite.settings.destinations:
            assert (await national_counts(suite, name, force))["accepted"] == reads


async def _gateway(
    load: Load, connection: Connection, feed: EnrolledFeed, chance: random.Random, tick: float
) -> None:
    maker = ReadMaker(feed, feed.name)
    loop = asyncio.get_running_loop()
    # They do not send all at once.
    due = loop.time() + chance.random() * tick
    async with PatientFeed(feed).on(connection).stream(load.note) as stream:
        while not load.stopping:
            await asyncio.sleep(max(0.0, due - loop.time()))
            # After a wait for room the pace is the same again, and nothing is caught up.
            due = max(due + tick, loop.time())
            await _send(load, stream, feed.force, _batch(maker, chance))


async def _send(load: Load, stream: ReadStream, force: str, batch: Sequence[SubmittedRead]) -> None:
    load.sent[force] += len(batch)
    load.listed[force] += sum(read.vrm == LISTED for read in batch)
    await stream.send(batch, tag=force)


def _batch(maker: ReadMaker, chance: random.Random) -> list[SubmittedRead]:
    return [
        maker.one(LISTED if chance.random() < _LISTED_SHARE else chance.choice(_PLATES))
        for _ in range(BATCH_READS)
    ]
