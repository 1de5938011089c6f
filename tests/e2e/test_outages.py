"""Outages and refusals: cameras get a clear answer soon, and no read is lost or doubled."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import grpc
import pytest
import pytest_asyncio
from gantry.bridge.v1 import bridge_pb2
from gantry.ingest.v1.ingest_pb2 import SubmittedRead

from chassis.errors import Fault
from suite.suite import Suite
from tests.e2e.door import PatientFeed, ReadMaker, connected, enrol, public_channel, submit_reads
from tests.e2e.freezing import frozen
from tests.e2e.machine import PATIENCE_SECONDS
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import (
    Identity,
    arrived,
    dead_letters,
    destination,
    log_of,
    national_counts,
    nationally_accepted,
)
from tests.e2e.waiting import eventually

pytestmark = SHARED_SUITE

FORCE = "severn"
PLATE = "KX65WYV"
ANSWERED_WITHIN = PATIENCE_SECONDS + 4.0


@pytest_asyncio.fixture(loop_scope="session")
async def maker(suite: Suite, feed_name: Callable[[str], str]) -> ReadMaker:
    return ReadMaker(await enrol(suite, FORCE, feed_name("outage")))


@pytest.mark.parametrize("what", ["store", "postgres"])
async def test_while_reads_cannot_be_stored(suite: Suite, maker: ReadMaker, what: str) -> None:
    kept = [maker.one(PLATE) for _ in range(200)]
    feed = PatientFeed(maker.feed)
    async with (
        public_channel(suite) as channel,
        connected(suite) as connection,
        feed.on(connection).stream() as stream,
    ):
        await stream.wait_connected()
        with frozen(suite, what):
            for read in kept:
                await stream.send([read])
            first = await _refused(channel, maker, within=ANSWERED_WITHIN)
            again = await _refused(channel, maker, within=ANSWERED_WITHIN)
            assert stream.unacknowledged_reads == len(kept)
        async with asyncio.timeout(30):
            await stream.drain()
    for fault in (first, again):
        assert (fault.status, fault.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert fault.retry_after is not None
        assert 0 < fault.retry_after < 30
    await _are_everywhere_once(suite, maker, kept)


async def _refused(channel: grpc.aio.Channel, maker: ReadMaker, *, within: float) -> Fault:
    # A stranger to the log, so that it does not matter whether it was stored after all.
    read = maker.one(PLATE, read_id=f"unanswered-{time.time_ns()}")
    started = time.monotonic()
    with pytest.raises(Fault) as caught:
        await submit_reads(channel, maker.feed.token, [read])
    assert time.monotonic() - started < within
    return caught.value


@pytest.mark.parametrize("victim", ["store", "ingest", "postgres"])
async def test_a_crash_while_reads_flow(suite: Suite, maker: ReadMaker, victim: str) -> None:
    reads = [maker.one(PLATE) for _ in range(600)]
    acked = 0

    def note(receipt: object) -> None:
        nonlocal acked
        acked += receipt.reads  # type: ignore[attr-defined]

    async with (
        connected(suite) as connection,
        PatientFeed(maker.feed).on(connection).stream(note) as stream,
        asyncio.timeout(30),
    ):
        for number, read in enumerate(reads):
            await stream.send([read])
            if number == len(reads) // 2:
                await _crash(suite, victim)
        await stream.drain()
    assert acked == len(reads)
    await _are_everywhere_once(suite, maker, reads)


async def _crash(suite: Suite, victim: str) -> None:
    if victim == "postgres":
        await suite.postgres.crash()
    else:
        await suite.process(victim).kill()


@asynccontextmanager
async def _behaving(suite: Suite, name: str, **wish: object) -> AsyncIterator[None]:
    await suite.behave(name, wish)
    try:
        yield
    finally:
        await suite.behave(name, {})


@pytest.mark.parametrize("name", ["nas", "nadc"])
async def test_a_refused_read_becomes_a_dead_letter(suite: Suite, maker: ReadMaker, name: str) -> None:
    other = "nadc" if name == "nas" else "nas"
    before = (await destination(suite, FORCE, name)).dead_letters
    async with _behaving(suite, name, refuse_every=4, refuse_reason="PLATE_UNREADABLE"):
        sent = await _send(suite, maker, 60)
        await arrived(suite, sent, at=[other])

        async def dealt_with() -> bool:
            taken = await _mine(suite, name, maker)
            return len(taken) + len(await _dead(suite, name, maker)) == len(sent)

        await eventually(dealt_with, within=15, what=f"{name}'s receipts")
    dead, taken = await _dead(suite, name, maker), await _mine(suite, name, maker)
    assert sorted([*dead, *taken]) == sorted(sent)
    assert 0 < len(dead) < len(sent)
    letters = [
        each for each in await dead_letters(suite, FORCE, name) if each.camera_id in maker.feed.cameras
    ]
    assert {each.reason for each in letters} == {"PLATE_UNREADABLE"}
    now = await destination(suite, FORCE, name)
    assert (now.dead_letters - before, now.state) == (len(dead), bridge_pb2.FORWARDER_STATE_RUNNING)
    # A dead letter is dealt with: what comes next goes on.
    await arrived(suite, await _send(suite, maker, 5))


@pytest.mark.parametrize("name", ["nas", "nadc"])
async def test_an_unavailable_destination_delays_no_other(suite: Suite, maker: ReadMaker, name: str) -> None:
    other = "nadc" if name == "nas" else "nas"
    async with _behaving(suite, name, away=True):
        sent = await _send(suite, maker, 40)
        await arrived(suite, sent, at=[other])

        async def noticed() -> bool:
            told = await destination(suite, FORCE, name)
            return told.state == bridge_pb2.FORWARDER_STATE_RETRYING and bool(told.last_error)

        await eventually(noticed, within=10, what=f"the bridge's word that {name} is away")
        assert await _mine(suite, name, maker) == []
    await arrived(suite, sent)
    assert sorted(await _mine(suite, name, maker)) == sorted(sent)

    async def well() -> bool:
        told = await destination(suite, FORCE, name)
        return told.state == bridge_pb2.FORWARDER_STATE_RUNNING and not told.last_error

    await eventually(well, within=10, what=f"the bridge's word that {name} is back")


@pytest.mark.parametrize("name", ["nas", "nadc"])
async def test_a_receipt_that_is_lost_counts_nothing_twice(suite: Suite, maker: ReadMaker, name: str) -> None:
    before = await national_counts(suite, name, FORCE)
    async with _behaving(suite, name, drop_after_accept=True, for_next=2):
        sent = await _send(suite, maker, 50)
        await arrived(suite, sent)

        async def answered() -> bool:
            told = await national_counts(suite, name, FORCE)
            return told["duplicate"] > before["duplicate"]

        await eventually(answered, within=15, what=f"{name}'s being asked again")
    after = await national_counts(suite, name, FORCE)
    assert after["accepted"] - before["accepted"] == len(sent)
    assert sorted(await _mine(suite, name, maker)) == sorted(sent)


async def _send(suite: Suite, maker: ReadMaker, count: int) -> list[Identity]:
    reads = [maker.one(PLATE) for _ in range(count)]
    async with public_channel(suite) as channel:
        ack = (await submit_reads(channel, maker.feed.token, reads)).ack
    assert ack.accepted == count
    return [_identity(read) for read in reads]


def _identity(read: SubmittedRead) -> Identity:
    micros = read.captured_at.seconds * 1_000_000 + read.captured_at.nanos // 1000
    return FORCE, read.camera_id, micros, read.read_id


async def _mine(suite: Suite, name: str, maker: ReadMaker) -> list[Identity]:
    return [each for each in await nationally_accepted(suite, name, FORCE) if each[1] in maker.feed.cameras]


async def _dead(suite: Suite, name: str, maker: ReadMaker) -> list[Identity]:
    return [
        (FORCE, each.camera_id, each.captured_at.ToMicroseconds(), each.read_id)
        for each in await dead_letters(suite, FORCE, name)
        if each.camera_id in maker.feed.cameras
    ]


async def _are_everywhere_once(suite: Suite, maker: ReadMaker, reads: Sequence[SubmittedRead]) -> None:
    wanted = sorted(map(_identity, reads))
    await arrived(suite, wanted)
    log = [entry.identity for entry in await log_of(suite, FORCE) if entry.identity[1] in maker.feed.cameras]
    assert sorted(each for each in log if not each[3].startswith("unanswered")) == wanted
    assert len(set(log)) == len(log)
    for name in suite.settings.destinations:
        mine = [each for each in await _mine(suite, name, maker) if not each[3].startswith("unanswered")]
        assert sorted(mine) == wanted, name
