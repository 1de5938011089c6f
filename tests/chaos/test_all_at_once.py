"""Every trouble at once: one force floods, one has a locked row and a slow import, and a third goes on."""

import asyncio
import json
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import pytest
from gantry.match.v1 import hotlist_pb2, hotlist_pb2_grpc

from chassis.client import open_channel
from suite.suite import Suite
from tests.chaos.flooder import flooding
from tests.chaos.replicas import Doubled, doubled_suite
from tests.e2e.command import PROGRAM
from tests.e2e.door import EnrolledFeed, PatientFeed, ReadMaker, connected, enrol
from tests.e2e.freezing import frozen
from tests.e2e.hotlists import import_plates
from tests.e2e.outcome import PURPOSE, Identity, alerts_of, arrived, identity_of, log_of
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.timeout(600)

FLOODED, TROUBLED, THIRD = "essex", "kent", "surrey"
STREAMS = 12
PLATE = "KV63WYX"
READS = 60
ACKED_WITHIN = 60.0
"""A frozen store keeps the appends of an ingest until its keep-alive has missed an answer."""
DELIVERED_WITHIN = 60.0
TOLD_WITHIN = 60.0
RECOVERS_WITHIN = 90.0


async def test_the_third_force_is_served_and_status_tells_the_rest() -> None:
    async with doubled_suite(FLOODED, TROUBLED, THIRD) as doubled, AsyncExitStack() as opened:
        suite = doubled.suite
        await import_plates(suite, THIRD, [PLATE])
        flooder = await enrol(suite, FLOODED, "flood")
        held, free = [ReadMaker(await enrol(suite, force, "lane")) for force in (TROUBLED, THIRD)]
        connection = await opened.enter_async_context(connected(suite, target=doubled.door))
        streams = {
            maker.feed.force: await opened.enter_async_context(
                PatientFeed(maker.feed).on(connection).stream()
            )
            for maker in (held, free)
        }
        sent: dict[str, list[Identity]] = {TROUBLED: [], THIRD: []}

        async def send(maker: ReadMaker) -> None:
            read = maker.one(PLATE)
            sent[maker.feed.force].append(_identity(maker.feed, read))
            await streams[maker.feed.force].send([read])

        async with _troubles(doubled, flooder):
            await send(held)
            for _ in range(READS):
                await send(free)
                await asyncio.sleep(0.02)
            async with asyncio.timeout(ACKED_WITHIN):
                await streams[THIRD].drain()
            await arrived(suite, sent[THIRD], within=DELIVERED_WITHIN, at=["nas"])
            await _alerted(suite, sent[THIRD])
            await _status_is_true(suite)
            assert streams[TROUBLED].unacknowledged_reads == 1

        async with asyncio.timeout(RECOVERS_WITHIN):
            await streams[TROUBLED].drain()
        for force, identities in sent.items():
            await arrived(suite, identities, within=RECOVERS_WITHIN)
            assert [entry.identity for entry in await log_of(suite, force)] == identities
        await eventually(lambda: _is_well(suite), within=RECOVERS_WITHIN, what="the end of all troubles")


@asynccontextmanager
async def _troubles(doubled: Doubled, flooder: EnrolledFeed) -> AsyncIterator[None]:
    suite = doubled.suite
    async with (
        _slow_import(suite, TROUBLED),
        _locked(suite, TROUBLED),
        flooding(suite, flooder, STREAMS),
    ):
        with frozen(suite, "nadc"), _stopped(suite, "store-2"):
            yield


@contextmanager
def _stopped(suite: Suite, process: str) -> Iterator[None]:
    suite.process(process).send(signal.SIGSTOP)
    try:
        yield
    finally:
        suite.process(process).send(signal.SIGCONT)


@asynccontextmanager
async def _locked(suite: Suite, force: str) -> AsyncIterator[None]:
    """Another session holds the row of a force."""
    connection = await asyncpg.connect(**suite.postgres.superuser("gantry"))
    try:
        async with connection.transaction():
            await connection.execute("select from store.forces where force = $1 for update", force)
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def _slow_import(suite: Suite, force: str) -> AsyncIterator[None]:
    """Somebody sends a hotlist line by line, and has not finished when the block ends."""

    async def parts() -> AsyncIterator[hotlist_pb2.ImportHotlistRequest]:
        header = hotlist_pb2.ImportHeader(
            force=force, name="slow", purpose=PURPOSE, request_id=str(uuid.uuid4())
        )
        yield hotlist_pb2.ImportHotlistRequest(header=header)
        yield hotlist_pb2.ImportHotlistRequest(chunk=b"vrm,reason\n")
        while True:
            yield hotlist_pb2.ImportHotlistRequest(chunk=f"{PLATE},slow\n".encode())
            await asyncio.sleep(1.0)

    async with open_channel(suite.address("match"), suite.person()) as channel:
        call = hotlist_pb2_grpc.HotlistServiceStub(channel).ImportHotlist(parts())
        try:
            yield
        finally:
            call.cancel()


async def _alerted(suite: Suite, identities: list[Identity]) -> None:
    wanted = set(identities)

    async def raised() -> bool:
        return {identity_of(alert) for alert in await alerts_of(suite, THIRD)} == wanted

    await eventually(raised, within=DELIVERED_WITHIN, what="an alert for each read of the third force")


async def _status_is_true(suite: Suite) -> None:
    """`gantry status` names each trouble, and none of the third force but the silent destination."""

    async def told() -> bool:
        state, code = await _status(suite)
        processes = {each["name"]: each["state"] for each in state["processes"]}
        forces = {each["force"]: each for each in state["forces"]}
        third = {each["name"]: each for each in forces[THIRD]["destinations"]}
        return (
            code == 1
            and {name for name, is_now in processes.items() if is_now == "frozen"} == {"nadc", "store-2"}
            and all(is_now == "serving" for is_now in processes.values() if is_now != "frozen")
            and bool(forces[TROUBLED]["refusal"] and forces[TROUBLED]["refused_since"])
            and not forces[THIRD]["refusal"]
            and third["nas"]["state"] in {"running", "idle"}
            and third["nadc"]["state"] not in {"running", "idle"}
            and third["nadc"]["lag"] >= READS
            and bool(third["nadc"]["last_error"] and third["nadc"]["failing_since"])
        )

    await eventually(told, within=TOLD_WITHIN, what="the truth in `gantry status`")


async def _is_well(suite: Suite) -> bool:
    return (await _status(suite))[1] == 0


async def _status(suite: Suite) -> tuple[dict[str, Any], int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "status", "--home", str(suite.layout.folder), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return json.loads(out), process.returncode


def _identity(feed: EnrolledFeed, read: Any) -> Identity:
    micros = read.captured_at.seconds * 1_000_000 + read.captured_at.nanos // 1000
    return feed.force, read.camera_id, micros, read.read_id
