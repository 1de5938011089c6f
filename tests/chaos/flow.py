"""Reads that several feeds send while processes fail, and the outcome that they must have."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from gantry_sdk import Connection, ReadStream, Receipt, StreamLimits

from simulators.cameras.hotlist import fold
from suite.suite import Suite
from tests.e2e.door import JPEG, EnrolledFeed, PatientFeed, ReadMaker, enrol
from tests.e2e.hotlists import import_plates
from tests.e2e.outcome import Identity
from tests.e2e.waiting import eventually

FEEDS_A_FORCE = 2
CAMERAS_A_FEED = 5
PLATES = tuple(
    f"{pair}{number}{three}"
    for pair in ("WX", "KV", "YT")
    for number in range(50, 60)
    for three in ("ZKW", "OSI")
)
"""Plates with letters that no hexadecimal number has, so that a scan cannot take one for the other."""
LISTED = (*PLATES[::7], PLATES[1].replace("O", "0"), PLATES[3].replace("S", "5"))
TICK_SECONDS = 0.1
_MOST_A_BATCH = 12
_RESENT_SHARE = 0.1
_PICTURED_SHARE = 0.1


@dataclass(frozen=True)
class SentRead:
    """A read that was sent at least once."""

    identity: Identity
    vrm: str
    patch: bytes


@dataclass
class Flow:
    """Everything that was sent, and the reads that the door has acknowledged."""

    sent: dict[Identity, SentRead] = field(default_factory=dict)
    acked: set[Identity] = field(default_factory=set)
    feeds: tuple[str, ...] = ()
    newest_acked: dict[str, int] = field(default_factory=dict)
    """By feed: the latest capture time of an acknowledged read, in microseconds since 1970."""
    refused: list[str] = field(default_factory=list)
    stopping: bool = False

    def of(self, force: str) -> list[SentRead]:
        """The reads of a force."""
        return [read for read in self.sent.values() if read.identity[0] == force]

    async def goes_on(self, reads: int, *, within: float) -> None:
        """Wait until so many more reads are acknowledged."""
        wanted = len(self.acked) + reads

        async def done() -> bool:
            return len(self.acked) >= wanted

        await eventually(done, within=within, what=f"{reads} more acknowledged reads")

    def note(self, receipt: Receipt) -> None:
        """Take the door's answer."""
        identities = receipt.tag
        assert isinstance(identities, tuple)
        self.refused += [rejection.message for rejection in receipt.rejections]
        self.acked.update(identities)
        for _, camera_id, captured_us, _ in identities:
            feed = camera_id.rpartition("-")[0]
            self.newest_acked[feed] = max(captured_us, self.newest_acked.get(feed, 0))

    def alerts(self, force: str) -> list[tuple[str, str, str]]:
        """The alerts that must be raised: camera, read_id and the entry's plate."""
        by_fold: dict[str, list[str]] = {}
        for plate in LISTED:
            by_fold.setdefault(fold(plate), []).append(plate)
        return sorted(
            (read.identity[1], read.identity[3], plate)
            for read in self.of(force)
            for plate in by_fold.get(fold(read.vrm), ())
        )


@asynccontextmanager
async def flowing(
    suite: Suite, connection: Connection, seed: int, *, tick: float = TICK_SECONDS
) -> AsyncIterator[Flow]:
    """Send until the block is left, and then wait for the last acknowledgements.

    Each gateway sends a batch every `tick` seconds.
    """
    feeds = await _feeds(suite)
    flow = Flow(feeds=tuple(feed.name for feed in feeds))
    async with asyncio.TaskGroup() as gateways:
        for number, feed in enumerate(feeds):
            gateways.create_task(_gateway(flow, connection, feed, random.Random(f"{seed}/{number}"), tick))
        try:
            yield flow
        finally:
            flow.stopping = True


async def _feeds(suite: Suite) -> list[EnrolledFeed]:
    feeds = []
    for force in suite.settings.forces:
        await import_plates(suite, force, LISTED)
        for number in range(FEEDS_A_FORCE):
            name = f"{force}-{number}"
            cameras = [f"{name}-{each}" for each in range(CAMERAS_A_FEED)]
            feeds.append(await enrol(suite, force, name, cameras))
    return feeds


async def _gateway(
    flow: Flow, connection: Connection, feed: EnrolledFeed, chance: random.Random, tick: float
) -> None:
    client = PatientFeed(feed, StreamLimits(unacknowledged_reads=500)).on(connection)
    maker = ReadMaker(feed, feed.name)
    before: list[SubmittedRead] = []
    async with client.stream(flow.note) as stream:
        while not flow.stopping:
            if before and chance.random() < _RESENT_SHARE:
                batch = before
            else:
                batch = [_read(maker, chance) for _ in range(chance.randint(1, _MOST_A_BATCH))]
            before = batch
            await _send(flow, stream, feed.force, batch)
            # The pace of traffic; it waits for nothing.
            await asyncio.sleep(tick)


async def _send(flow: Flow, stream: ReadStream, force: str, batch: Sequence[SubmittedRead]) -> None:
    reads = [_sent(force, read) for read in batch]
    flow.sent.update((read.identity, read) for read in reads)
    await stream.send(batch, tag=tuple(read.identity for read in reads))


def _read(maker: ReadMaker, chance: random.Random) -> SubmittedRead:
    read = maker.one(chance.choice(PLATES), camera_id=chance.choice(maker.feed.cameras))
    if chance.random() < _PICTURED_SHARE:
        read.plate_patch = signed(read.read_id)
    return read


def signed(text: str) -> bytes:
    """A picture like no other: with a comment."""
    comment = text.encode()
    return JPEG[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + JPEG[2:]


def _sent(force: str, read: SubmittedRead) -> SentRead:
    micros = read.captured_at.seconds * 1_000_000 + read.captured_at.nanos // 1000
    return SentRead((force, read.camera_id, micros, read.read_id), read.vrm, read.plate_patch)


class Stopwatch:
    """How long each recovery took, in seconds, for the record of a run."""

    def __init__(self) -> None:
        self.laps: list[tuple[str, float]] = []

    def start(self) -> float:
        """Begin a lap."""
        return time.monotonic()

    def stop(self, what: str, started: float) -> None:
        """End it."""
        self.laps.append((what, round(time.monotonic() - started, 2)))

    def longest(self) -> Mapping[str, float]:
        """The longest lap of each kind."""
        found: dict[str, float] = {}
        for what, seconds in self.laps:
            found[what] = max(seconds, found.get(what, 0.0))
        return found
