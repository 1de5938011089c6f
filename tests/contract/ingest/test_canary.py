"""Canaries are appends of their own. Nothing counts or shows them. Only the canary service enrols them."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1 import cameras_pb2
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry_sdk import FeedRefused

from chassis.client import open_channel
from chassis.errors import Fault, Forbidden, InvalidInput, NotFound, fault_from
from chassis.settings import TelemetrySettings
from chassis.telemetry import metrics_port, telemetry
from clients.ingest import CameraClient
from reads.canary import CANARY, CANARY_VRM
from suite.certificates import Authority
from tests.contract.ingest.conftest import (
    QUICK,
    RunningIngest,
    StartIngest,
    StoreProcess,
    eventually,
    unique_ids,
)
from tests.contract.ingest.recording_store import RecordingStore, recording
from tests.contract.ingest.test_deliver import reads_of
from tests.contract.ingest.test_limits import SUBMIT, RawStream

COUNTS = re.compile(r"gantry_ingest_(reads|batches|rejections|warnings|ack_seconds)_(total|count)\b")


@pytest.fixture
async def recorded(store_process: StoreProcess, pki: Authority) -> AsyncIterator[RecordingStore]:
    """What ingests send to the store, if their store is `recorded.target`."""
    async with recording(store_process.target, pki) as recorded:
        yield recorded


async def canary_client(ingest: RunningIngest) -> CameraClient:
    tls = ingest.pki.issue_service("canary")
    return CameraClient(await ingest.opened.enter_async_context(open_channel(ingest.target, tls)))


async def enrol_canary(ingest: RunningIngest, force: str) -> str:
    return await (await canary_client(ingest)).enrol_canary(force)


def canaries(count: int = 1, **changes: Any) -> list[pb.SubmittedRead]:
    reads = reads_of(CANARY, unique_ids(count), **changes)
    for read in reads:
        read.vrm = CANARY_VRM
    return reads


async def submitted(ingest: RunningIngest, token: str, reads: list[pb.SubmittedRead]) -> pb.BatchAck | Fault:
    """The acknowledgement of one call, which is not tried again, or its fault."""
    submit = (await ingest.channel()).unary_unary(
        SUBMIT, pb.SubmitReadsRequest.SerializeToString, pb.SubmitReadsResponse.FromString
    )
    try:
        answer = await submit(
            pb.SubmitReadsRequest(reads=reads), metadata=[("authorization", f"Bearer {token}")], timeout=20
        )
    except grpc.aio.AioRpcError as error:
        return fault_from(error)
    return answer.ack


async def test_each_enrolment_makes_a_token_that_every_replica_knows(
    start_ingest: StartIngest, force: str
) -> None:
    first, second = await start_ingest(), await start_ingest()
    old = await enrol_canary(first, force)
    new = await enrol_canary(first, force)
    assert old.startswith("gf_")
    assert old != new
    await eventually(lambda: second.parts.feeds.version == first.parts.feeds.version)
    for replica in (first, second):
        connection = await replica.connect()
        assert (await connection.feed(new).submit(canaries())).accepted == 1
        with pytest.raises(FeedRefused) as refused:
            await connection.feed(old, backoff=QUICK).submit(canaries())
        assert refused.value.reason == "TOKEN_UNKNOWN"


async def test_only_the_canary_service_enrols_canaries(ingest: RunningIngest, force: str) -> None:
    async with open_channel(ingest.target, ingest.pki.issue_service("match")) as channel:
        for client in (CameraClient(channel), await ingest.cameras(force)):
            with pytest.raises(Forbidden) as caught:
                await client.enrol_canary(force)
            assert caught.value.reason == "CALLER_NOT_ALLOWED"


async def test_a_force_that_is_unknown_or_retired_gets_no_canary(
    ingest: RunningIngest, store_process: StoreProcess, force: str
) -> None:
    client = await canary_client(ingest)
    token = await client.enrol_canary(force)
    await store_process.retire(force)
    await eventually(lambda: force not in ingest.parts.directory.active)
    for each in (force, "force-that-nobody-created"):
        with pytest.raises(NotFound) as caught:
            await client.enrol_canary(each)
        assert caught.value.reason == "FORCE_UNKNOWN"
    fault = await submitted(ingest, token, canaries())
    assert isinstance(fault, Fault)
    assert fault.reason == "TOKEN_UNKNOWN"


async def test_a_canary_between_batches_is_an_append_of_its_own(
    start_ingest: StartIngest, store_process: StoreProcess, recorded: RecordingStore, force: str
) -> None:
    ingest = await start_ingest(store=recorded.target, lanes=1)
    vendor, canary = await ingest.enrol(force, "gateway", "a"), await enrol_canary(ingest, force)
    queued = [
        (vendor, reads_of("a", unique_ids(2))),
        (vendor, reads_of("a", unique_ids(3))),
        (canary, canaries()),
        (vendor, reads_of("a", unique_ids(2))),
        (vendor, reads_of("a", unique_ids(1))),
    ]
    calls: list[asyncio.Task[pb.BatchAck | Fault]] = []
    async with store_process.locked(force):
        waiting = 0
        for token, reads in queued:
            calls.append(asyncio.create_task(submitted(ingest, token, reads)))
            if len(calls) == 1:
                await eventually(lambda: len(recorded.appends(force)) == 1)
            else:
                waiting += len(reads)
                await eventually(lambda: ingest.parts.appends.queued_reads == waiting)  # noqa: B023
    acks = await asyncio.gather(*calls)
    assert [ack.accepted for ack in acks if isinstance(ack, pb.BatchAck)] == [2, 3, 1, 2, 1]
    ids = [[read.read_id for read in reads] for _, reads in queued]
    assert recorded.appends(force) == [
        (False, ids[0]),
        (False, ids[1]),
        (True, ids[2]),
        (False, [*ids[3], *ids[4]]),
    ]


async def test_a_canary_on_a_stream_is_acknowledged(
    start_ingest: StartIngest, recorded: RecordingStore, force: str
) -> None:
    ingest = await start_ingest(store=recorded.target)
    stream = RawStream(await ingest.channel(), await enrol_canary(ingest, force))
    await stream.flow_control()
    reads = canaries(2)
    for sequence, read in enumerate(reads):
        await stream.send(sequence, [read])
    acks = [(await stream.call.read()).ack for _ in reads]
    assert [(ack.sequence, ack.accepted) for ack in acks] == [(0, 1), (1, 1)]
    assert recorded.appends(force) == [(True, [read.read_id]) for read in reads]
    stream.call.cancel()


async def test_a_batch_of_several_canaries_is_refused(
    start_ingest: StartIngest, recorded: RecordingStore, force: str
) -> None:
    ingest = await start_ingest(store=recorded.target)
    token = await enrol_canary(ingest, force)
    stream = RawStream(await ingest.channel(), token)
    await stream.flow_control()
    await stream.send(1, canaries(2))
    for fault in (await submitted(ingest, token, canaries(2)), await stream.fault()):
        assert isinstance(fault, InvalidInput)
        assert (fault.reason, fault.field) == ("BATCH_TOO_LARGE", "reads")
        assert "a canary's has one" in fault.message
    assert recorded.requests == []


async def counted() -> dict[str, float]:
    """The counters of ingest about reads and batches, from the page of metrics; those at 0 left out."""

    def page() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port()}/metrics") as answer:
            text: str = answer.read().decode()
        return text

    lines = [line for line in (await asyncio.to_thread(page)).splitlines() if COUNTS.match(line)]
    values = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    return {name: value for name, value in values.items() if value}


async def cameras_counted(ingest: RunningIngest, force: str) -> set[tuple[str, str]]:
    """The tables of camera counts that have rows of the force, and the cameras in them."""
    found = set()
    async with ingest.pool.acquire() as connection, connection.transaction():
        await connection.execute("select set_config('gantry.forces', $1, true)", force)
        for table in ("deliveries", "rejections", "warnings"):
            rows = await connection.fetch(f"select distinct camera_id from {table}")
            found |= {(table, row["camera_id"]) for row in rows}
    return found


async def test_nothing_of_a_canary_is_counted(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    ingest = await start_ingest(health_seconds=0.05, append_seconds=0.3)
    vendor, canary = await ingest.enrol(force, "gateway", "a"), await enrol_canary(ingest, force)
    rejected, of_nobody, remarked = (canaries() for _ in range(3))
    rejected[0].vrm, of_nobody[0].camera_id = "", "nobody"
    remarked[0].position.CopyFrom(Position(latitude=0.0, longitude=0.000001))

    async def outcomes(token: str, *batches: list[pb.SubmittedRead]) -> list[tuple[int, int, int] | str]:
        found = [await submitted(ingest, token, batch) for batch in batches]
        return [
            each.reason
            if isinstance(each, Fault)
            else (each.accepted, len(each.rejections), len(each.warnings))
            for each in found
        ]

    async with telemetry("ingest", TelemetrySettings(metrics_listen="127.0.0.1:0")):
        before = await counted()
        assert await outcomes(canary, canaries(), rejected, of_nobody, remarked, []) == [
            (1, 0, 0),
            (0, 1, 0),
            (0, 1, 0),
            (1, 0, 1),
            (0, 0, 0),
        ]
        async with store_process.locked(force):
            # The first fails, and the second is refused by the open circuit.
            assert await outcomes(canary, canaries(), canaries()) == ["STORE_UNAVAILABLE"] * 2
            assert (await RawStream(await ingest.channel(), canary).fault()).reason == "STORE_UNAVAILABLE"
        assert await counted() == before

        async def stored_again() -> bool:
            return await outcomes(canary, canaries()) == [(1, 0, 0)]

        await eventually(stored_again)
        assert await outcomes(vendor, reads_of("a", unique_ids(1))) == [(1, 0, 0)]
        after = await counted()

    async def written() -> bool:
        return bool(await cameras_counted(ingest, force))

    await eventually(written)
    assert await cameras_counted(ingest, force) == {("deliveries", "a")}
    new = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name)}
    assert new == {
        f'gantry_ingest_reads_total{{force="{force}",outcome="accepted"}}': 1,
        f'gantry_ingest_batches_total{{force="{force}",outcome="acknowledged"}}': 1,
        "gantry_ingest_ack_seconds_count": 1,
    }


async def test_feed_and_camera_of_a_canary_are_in_no_list(ingest: RunningIngest, force: str) -> None:
    await enrol_canary(ingest, force)
    client = await ingest.cameras(force)
    assert [camera async for camera in client.cameras(force)] == []
    await ingest.enrol(force, "gateway", "a", "z")
    for size in (0, 1, 2):
        listed = [camera async for camera in client.cameras(force, page_size=size)]
        assert [(camera.camera_id, camera.feed) for camera in listed] == [("a", "gateway"), ("z", "gateway")]
        health = [each.camera_id async for each in client.health(force, page_size=size)]
        assert health == ["a", "z"]
    async with open_channel(ingest.target, ingest.pki.issue_service("match")) as channel:
        watched = CameraClient(channel).watch(force)
        response = await anext(watched)
        assert [camera.camera_id for camera in response.cameras.cameras] == ["a", "z"]
        await enrol_canary(ingest, force)
        async with asyncio.timeout(3):
            progress = await anext(watched)
        assert progress.HasField("progress")
        assert progress.revision > response.revision
        await watched.aclose()


async def test_people_cannot_use_the_names_of_the_canary(ingest: RunningIngest, force: str) -> None:
    token, client = await enrol_canary(ingest, force), await ingest.cameras(force)
    plain, reserved = cameras_pb2.Camera(camera_id="a"), cameras_pb2.Camera(camera_id=CANARY)
    for feed, cameras, field in (
        (CANARY, [plain], "feed"),
        ("gateway", [plain, reserved], "cameras[1].camera_id"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await client.enrol(force, feed, cameras, new_token=True)
        assert (caught.value.reason, caught.value.field) == ("CAMERA_INVALID", field)
        assert "reserved" in caught.value.message
    assert [camera async for camera in client.cameras(force)] == []
    with pytest.raises(NotFound) as unknown:
        await client.switch(force, CANARY, enabled=False)
    assert unknown.value.reason == "CAMERA_UNKNOWN"
    assert (await (await ingest.connect()).feed(token).submit(canaries())).accepted == 1


async def test_a_camera_that_had_the_name_before_becomes_the_canarys(
    ingest: RunningIngest, force: str
) -> None:
    async with ingest.pool.acquire() as connection, connection.transaction():
        await connection.execute("select set_config('gantry.forces', $1, true)", force)
        await connection.execute(
            "insert into feeds (force, feed, token_sha256) values ($1, 'gateway', sha256($2))",
            force,
            force.encode(),
        )
        await connection.execute(
            "insert into cameras (force, camera_id, feed, name, kind, latitude, longitude, enabled)"
            " values ($1, $2, 'gateway', 'Mill Lane', 1, 51.5, 0.25, false)",
            force,
            CANARY,
        )
    token = await enrol_canary(ingest, force)
    assert (await (await ingest.connect()).feed(token).submit(canaries())).accepted == 1


@pytest.mark.parametrize("function", ["whole_registry", "registry_of_all_forces"])
async def test_releases_that_know_no_canaries_do_not_get_their_tokens(
    ingest: RunningIngest, force: str, function: str
) -> None:
    async def feeds() -> list[tuple[str | None, str | None]]:
        rows = await ingest.pool.fetch(f"select * from {function}() order by camera_id")
        assert {row["version"] for row in rows} == {ingest.parts.feeds.version}
        return [(row["feed"], row["camera_id"]) for row in rows]

    await enrol_canary(ingest, force)
    assert await feeds() == [(None, None)]
    await ingest.enrol(force, "gateway", "a", "z")
    assert await feeds() == [("gateway", "a"), ("gateway", "z")]
