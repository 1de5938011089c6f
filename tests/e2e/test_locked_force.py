"""Locks on one force's rows hold up that force and no other."""

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import grpc
import pytest

from chassis.errors import Fault
from suite.suite import Suite
from tests.e2e.command import gantry
from tests.e2e.door import PatientFeed, ReadMaker, connected, enrol, public_channel, submit_reads
from tests.e2e.health import is_serving
from tests.e2e.machine import PATIENCE_SECONDS
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import Identity, arrived, buffer_status, log_of
from tests.e2e.pages import counter
from tests.e2e.waiting import eventually

pytestmark = SHARED_SUITE

LOCKED, OTHER = "tees", "trent"
PLATE = "KV63WYX"
ENGINEER = "lock-engineer"
READS = 30
AT_ONCE_SECONDS = 1.0
REFUSED_WITHIN = PATIENCE_SECONDS + 4.0
RECOVERS_WITHIN = 15.0


@asynccontextmanager
async def _locked(suite: Suite, force: str) -> AsyncIterator[None]:
    """Another session holds the row of a force, and the rows of its lines."""
    connection = await asyncpg.connect(**suite.postgres.superuser("gantry"))
    try:
        async with connection.transaction():
            for table in ("store.forces", "match.lines", "nas_bridge.lines"):
                await connection.execute(f"select from {table} where force = $1 for update", force)
            yield
    finally:
        await connection.close()


async def test_the_reads_of_other_forces_flow_meanwhile(
    suite: Suite, feed_name: Callable[[str], str]
) -> None:
    held, free = [ReadMaker(await enrol(suite, force, feed_name("locked"))) for force in (LOCKED, OTHER)]
    reads = [held.one(PLATE) for _ in range(READS)]
    async with (
        public_channel(suite) as channel,
        connected(suite) as connection,
        PatientFeed(held.feed).on(connection).stream() as stream,
    ):
        await stream.wait_connected()
        async with _locked(suite, LOCKED):
            for read in reads:
                await stream.send([read])
            refusal = asyncio.create_task(_refusal(channel, held))
            sent = [await _acknowledged_at_once(channel, free) for _ in range(READS)]
            await arrived(suite, sent)
            fault = await refusal
            assert (fault.status, fault.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            assert stream.unacknowledged_reads == READS
            sent.append(await _acknowledged_at_once(channel, free))
            await _health_is_true(suite)
        async with asyncio.timeout(RECOVERS_WITHIN):
            await stream.drain()
    kept = [_identity(held, read) for read in reads]
    await arrived(suite, kept)
    await arrived(suite, sent)
    log = [entry.identity for entry in await log_of(suite, LOCKED)]
    assert [each for each in log if not each[3].startswith("refused")] == kept
    assert [entry.identity for entry in await log_of(suite, OTHER)] == sent

    async def closed() -> bool:
        return not await _refuses(suite, LOCKED)

    await eventually(closed, within=RECOVERS_WITHIN, what="the end of the force's refusals")


async def _refusal(channel: grpc.aio.Channel, maker: ReadMaker) -> Fault:
    started = time.monotonic()
    with pytest.raises(Fault) as caught:
        await submit_reads(channel, maker.feed.token, [maker.one(PLATE, read_id=f"refused-{time.time_ns()}")])
    assert time.monotonic() - started < REFUSED_WITHIN
    return caught.value


async def _acknowledged_at_once(channel: grpc.aio.Channel, maker: ReadMaker) -> Identity:
    read, started = maker.one(PLATE), time.monotonic()
    assert (await submit_reads(channel, maker.feed.token, [read])).ack.accepted == 1
    assert time.monotonic() - started < AT_ONCE_SECONDS
    return _identity(maker, read)


async def _health_is_true(suite: Suite) -> None:
    """Each process serves the other force, and tells of the one that it cannot."""
    for process in ("ingest", "store", "match", "nas_bridge"):
        assert await is_serving(suite, process), process
    assert (await buffer_status(suite, LOCKED)).reads_stored == 0
    await eventually(lambda: _refuses(suite, LOCKED), within=REFUSED_WITHIN, what="the store's word of it")
    assert not await _refuses(suite, OTHER)
    await _status_is_true(suite)


async def _status_is_true(suite: Suite) -> None:
    """The command names the force, the cause, and since when."""
    suite.person(ENGINEER, [LOCKED, OTHER])
    told = await gantry(suite, ENGINEER, "status", code=1)
    locked, other = ({force["force"]: force for force in told["forces"]}[each] for each in (LOCKED, OTHER))
    assert locked["refusal"].startswith("ROW_LOCKED: "), told["forces"]
    since = dt.datetime.fromisoformat(locked["refused_since"])
    assert abs((dt.datetime.now(dt.UTC) - since).total_seconds()) < 60
    assert (other["refusal"], other["refused_since"]) == ("", None)


async def _refuses(suite: Suite, force: str) -> bool:
    """Whether the store says that it refuses a force's appends at the moment."""
    return (await counter(suite, "store", "gantry_store_breaker_open", "force"))[force] == 1


def _identity(maker: ReadMaker, read: object) -> Identity:
    micros = read.captured_at.seconds * 1_000_000 + read.captured_at.nanos // 1000  # type: ignore[attr-defined]
    return maker.feed.force, read.camera_id, micros, read.read_id  # type: ignore[attr-defined]
