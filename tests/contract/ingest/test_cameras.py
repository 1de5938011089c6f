"""The registry: who may enrol, which requests are refused, and how soon the public port applies a change."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import grpc
import pytest
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_CHANGE_CAMERAS
from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1 import cameras_pb2 as cameras
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.ingest.v1.cameras_pb2_grpc import CameraRegistryServiceStub
from gantry_sdk import FeedRefused

from chassis.client import open_channel
from chassis.errors import AlreadyExists, Forbidden, InvalidInput, NotFound, Unauthenticated, Unavailable
from clients.audit import AuditClient
from clients.ingest import CameraClient
from tests.contract.ingest.conftest import (
    QUICK,
    RunningIngest,
    StartIngest,
    StoreProcess,
    eventually,
    unique_ids,
)
from tests.contract.ingest.test_deliver import reads_of


def fixed(camera_id: str, **fields: object) -> cameras.Camera:
    return cameras.Camera(camera_id=camera_id, kind=cameras.CAMERA_KIND_FIXED, **fields)


async def test_enrol_list_and_page(ingest: RunningIngest, force: str) -> None:
    client = await ingest.cameras(force)
    wanted = [fixed(f"cam-{number}", name=f"Nr {number}") for number in range(5)]
    wanted.append(cameras.Camera(camera_id="car", kind=cameras.CAMERA_KIND_MOBILE))
    wanted[0].position.CopyFrom(Position(latitude=51.5, longitude=0.25))
    answer = await client.enrol(force, "gateway", wanted)
    assert (answer.created, answer.updated) == (6, 0)
    assert answer.token.startswith("gf_")
    listed = [camera async for camera in client.cameras(force, page_size=2)]
    assert [camera.camera_id for camera in listed] == ["cam-0", "cam-1", "cam-2", "cam-3", "cam-4", "car"]
    assert listed[0] == fixed(
        "cam-0", name="Nr 0", feed="gateway", enabled=True, position=Position(latitude=51.5, longitude=0.25)
    )
    assert not listed[1].HasField("position")


async def test_a_retry_enrols_once(ingest: RunningIngest, force: str) -> None:
    client, request_id = await ingest.cameras(force), uuid4()
    first = await client.enrol(force, "gateway", [fixed("a")], request_id=request_id)
    again = await client.enrol(force, "gateway", [fixed("a")], request_id=request_id)
    assert (first.created, again.created, again.token) == (1, 1, "")
    with pytest.raises(AlreadyExists) as caught:
        await client.enrol(force, "gateway", [fixed("b")], request_id=request_id)
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert [camera.camera_id async for camera in client.cameras(force)] == ["a"]


async def test_a_known_camera_is_updated_and_moves(ingest: RunningIngest, force: str) -> None:
    client = await ingest.cameras(force)
    old = (await client.enrol(force, "old", [fixed("a"), fixed("b")])).token
    answer = await client.enrol(force, "new", [fixed("a", name="moved"), fixed("c")])
    assert (answer.created, answer.updated) == (1, 1)
    connection = await ingest.connect()
    refused = await connection.feed(old).submit(reads_of("a", unique_ids(1)))
    assert refused.rejections[0].reason == pb.REJECTION_REASON_CAMERA_UNKNOWN
    accepted = await connection.feed(answer.token).submit(reads_of("a", unique_ids(1)))
    assert accepted.accepted == 1
    listed = {camera.camera_id: camera async for camera in client.cameras(force)}
    assert (listed["a"].feed, listed["a"].name, listed["b"].feed) == ("new", "moved", "old")


async def test_enrolling_again_changes_only_what_is_given(ingest: RunningIngest, force: str) -> None:
    client, place = await ingest.cameras(force), Position(latitude=51.5, longitude=0.25)
    portable = cameras.CAMERA_KIND_PORTABLE
    await client.enrol(
        force, "a", [cameras.Camera(camera_id="c", name="Mill Lane", kind=portable, position=place)]
    )

    async def after(**given: object) -> tuple[object, ...]:
        await client.enrol(force, "a", [cameras.Camera(camera_id="c", **given)], new_token=True)
        (found,) = [camera async for camera in client.cameras(force)]
        return found.name, found.kind, found.position.latitude, found.position.longitude

    assert await after() == ("Mill Lane", portable, 51.5, 0.25)
    assert await after(name="Mill Lane north") == ("Mill Lane north", portable, 51.5, 0.25)
    elsewhere = Position(latitude=52, longitude=0)
    assert await after(position=elsewhere) == ("Mill Lane north", portable, 52, 0)
    mobile = cameras.CAMERA_KIND_MOBILE
    assert await after(kind=mobile) == ("Mill Lane north", mobile, 0, 0)
    with pytest.raises(InvalidInput) as caught:
        await after(position=place)
    assert caught.value.field == "cameras[0].position"
    assert await after() == ("Mill Lane north", mobile, 0, 0)


async def test_a_new_camera_is_fixed_and_called_by_its_id(ingest: RunningIngest, force: str) -> None:
    client = await ingest.cameras(force)
    await client.enrol(force, "a", [cameras.Camera(camera_id="c")])
    (found,) = [camera async for camera in client.cameras(force)]
    assert (found.name, found.kind) == ("c", cameras.CAMERA_KIND_FIXED)


INVALID = [
    ([], "cameras"),
    ([fixed("a b")], "cameras[0].camera_id"),
    ([fixed("a"), fixed("")], "cameras[1].camera_id"),
    ([fixed("a"), fixed("a")], "cameras[1].camera_id"),
    ([fixed("a", name="x" * 201)], "cameras[0].name"),
    ([fixed("a", name="x\n")], "cameras[0].name"),
    ([fixed("a", position=Position(latitude=91))], "cameras[0].position.latitude"),
    ([fixed("a", position=Position(longitude=float("nan")))], "cameras[0].position.longitude"),
    ([fixed("a", position=Position(latitude=float("inf")))], "cameras[0].position.latitude"),
    ([fixed("a", position=Position())], "cameras[0].position"),
    ([fixed("a", position=Position(latitude=0.000001))], "cameras[0].position"),
    ([fixed("a", name="\x1b[31mred")], "cameras[0].name"),
    ([fixed("a", name="#N/A")], "cameras[0].name"),
    ([fixed("1.0")], "cameras[0].camera_id"),
    ([fixed("10-Mar")], "cameras[0].camera_id"),
    ([fixed("nan")], "cameras[0].camera_id"),
    ([cameras.Camera(camera_id="a", kind=9)], "cameras[0].kind"),
    (
        [cameras.Camera(camera_id="a", kind=cameras.CAMERA_KIND_MOBILE, position=Position())],
        "cameras[0].position",
    ),
    ([fixed(f"c{number}") for number in range(1_001)], "cameras"),
]


@pytest.mark.parametrize(("wanted", "field"), INVALID)
async def test_what_cannot_be_enrolled(
    ingest: RunningIngest, force: str, wanted: list[cameras.Camera], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await (await ingest.cameras(force)).enrol(force, "gateway", wanted)
    assert (caught.value.reason, caught.value.field) == ("CAMERA_INVALID", field)


async def test_requests_that_are_wrong(ingest: RunningIngest, force: str) -> None:
    client = await ingest.cameras(force)
    with pytest.raises(InvalidInput) as caught:
        await client.enrol(force, "a feed", [fixed("a")])
    assert caught.value.field == "feed"
    with pytest.raises(NotFound) as unknown:
        await client.switch(force, "nobody", enabled=False)
    assert unknown.value.reason == "CAMERA_UNKNOWN"
    tls = ingest.pki.issue_person("engineer", [force])
    async with open_channel(ingest.target, tls) as channel:
        stub = CameraRegistryServiceStub(channel)
        for request in (
            cameras.ListCamerasRequest(force=force, page_size=1_001),
            cameras.ListCamerasRequest(force=force, page_token="x"),
            cameras.ListCamerasRequest(force=force, page_token="b3RoZXIvYQ=="),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as wrong:
                await stub.ListCameras(request)
            assert wrong.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_force_is_closed_to_others(ingest: RunningIngest, force: str) -> None:
    await ingest.enrol(force, "gateway", "a")
    other = await ingest.cameras(force + "-other")
    for attempt in (
        other.enrol(force, "gateway", [fixed("a")], new_token=True),
        other.switch(force, "a", enabled=False),
        anext(other.cameras(force)),
        anext(other.health(force)),
    ):
        with pytest.raises(Forbidden) as caught:
            await attempt
        assert caught.value.reason == "FORCE_NOT_PERMITTED"


async def test_services_and_vendors_may_not_enrol(ingest: RunningIngest, force: str) -> None:
    target = ingest.target
    async with open_channel(target, ingest.pki.issue_service("match")) as channel:
        with pytest.raises(Forbidden) as caught:
            await CameraClient(channel).enrol(force, "gateway", [fixed("a")])
    assert caught.value.reason == "CALLER_NOT_ALLOWED"
    with pytest.raises((Forbidden, Unauthenticated)):
        await CameraClient(await ingest.channel()).enrol(force, "gateway", [fixed("a")])


async def test_the_database_keeps_forces_apart(ingest: RunningIngest, force: str) -> None:
    await ingest.enrol(force, "gateway", "a")
    async with ingest.pool.acquire() as connection:
        for declared, seen in (("", 0), ("another", 0), (force, 1)):
            async with connection.transaction():
                await connection.execute("select set_config('gantry.forces', $1, true)", declared)
                for table in ("cameras", "feeds"):
                    assert await connection.fetchval(f"select count(*) from {table}") == seen
        await connection.execute("select set_config('gantry.forces', 'another', false)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "insert into feeds (force, feed, token_sha256) values ($1, 'x', sha256('x'))", force
            )
        for forbidden in (
            "delete from cameras",
            "delete from feeds",
            "update feeds set feed = 'x'",
            "select token_sha256 from feeds",
            "update cameras set camera_id = 'x'",
            "delete from registry",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)


async def test_a_switched_off_camera_is_refused_at_once(ingest: RunningIngest, force: str) -> None:
    token = await ingest.enrol(force, "gateway", "a", "b")
    client = await ingest.cameras(force)
    receipts: list[object] = []
    async with (await ingest.connect()).feed(token).stream(receipts.append) as stream:
        await stream.send(reads_of("a", unique_ids(1)))
        await stream.drain()
        assert not (await client.switch(force, "a", enabled=False)).enabled
        await stream.send([*reads_of("a", unique_ids(1)), *reads_of("b", unique_ids(1))])
        await stream.drain()
        await client.switch(force, "a", enabled=True)
        await stream.send(reads_of("a", unique_ids(1)))
    assert [receipt.accepted for receipt in receipts] == [1, 1, 1]
    assert receipts[1].rejections[0].reason == pb.REJECTION_REASON_CAMERA_DISABLED


async def test_a_replaced_token_ends_open_streams(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    """On every replica, and on streams that are silent."""
    first, second = await start_ingest(), await start_ingest()
    token = await first.enrol(force, "gateway", "a")
    await eventually(lambda: second.parts.feeds.version == first.parts.feeds.version)
    feed, replaced = (await second.connect()).feed(token, backoff=QUICK), []

    async def deliver_while_the_token_is_replaced() -> None:
        async with feed.stream() as stream:
            await stream.send(reads_of("a", unique_ids(1)))
            await stream.drain()
            client = await first.cameras(force)
            replaced.append((await client.enrol(force, "gateway", [fixed("a")], new_token=True)).token)
            await eventually(lambda: second.parts.door.streams == 0)
            await stream.send(reads_of("a", unique_ids(1)))

    with pytest.raises(FeedRefused) as caught:
        await deliver_while_the_token_is_replaced()
    assert caught.value.reason == "TOKEN_UNKNOWN"
    (fresh,) = replaced
    assert fresh not in {"", token}
    feed = (await second.connect()).feed(fresh)
    assert (await feed.submit(reads_of("a", unique_ids(1)))).accepted == 1


async def test_health_is_counted(start_ingest: StartIngest, force: str) -> None:
    ingest = await start_ingest(health_seconds=0.05)
    token = await ingest.enrol(force, "gateway", "a", "b", "silent")
    feed, client = (await ingest.connect()).feed(token), await ingest.cameras(force)
    reads = reads_of("a", unique_ids(5))
    await feed.submit(reads)
    await feed.submit([*reads[:2], *reads_of("b", unique_ids(1))])
    bad = reads_of("a", unique_ids(3))
    bad[0].vrm = bad[1].vrm = ""
    bad[2].heading = 999
    await feed.submit([*bad, *reads_of("nobody", unique_ids(1))])

    async def settled() -> bool:
        counted = {health.camera_id: health async for health in client.health(force)}
        return counted["a"].accepted == 5 and len(counted["a"].rejected) == 2 and counted["b"].accepted == 1

    await eventually(settled)
    health = {each.camera_id: each async for each in client.health(force, page_size=1)}
    assert list(health) == ["a", "b", "silent"]
    assert health["a"].duplicate == 2
    assert {each.reason: each.count for each in health["a"].rejected} == {
        pb.REJECTION_REASON_VRM_EMPTY: 2,
        pb.REJECTION_REASON_HEADING_INVALID: 1,
    }
    assert health["b"].last_captured_at.ToMicroseconds() > 0
    assert not health["silent"].HasField("last_received_at")


async def test_changes_are_audited_first(
    ingest: RunningIngest, store_process: StoreProcess, force: str
) -> None:
    await ingest.enrol(force, "gateway", "a")
    await (await ingest.cameras(force)).switch(force, "a", enabled=False)
    async with open_channel(store_process.target, ingest.pki.issue_person("auditor", [force])) as channel:
        records = [record async for record in AuditClient(channel).records(force)]
    assert [(record.person, record.action, record.subject) for record in records[:2]] == [
        (f"engineer-{force}", AUDIT_ACTION_CHANGE_CAMERAS, "camera_id a, enabled false"),
        (f"engineer-{force}", AUDIT_ACTION_CHANGE_CAMERAS, "feed gateway, camera_id a"),
    ]


async def test_a_force_that_does_not_exist_gets_no_cameras(ingest: RunningIngest) -> None:
    unknown = "force-that-nobody-created"
    client = await ingest.cameras(unknown)
    for attempt in (
        client.enrol(unknown, "gateway", [fixed("a")]),
        client.switch(unknown, "a", enabled=False),
        anext(client.cameras(unknown)),
    ):
        with pytest.raises(NotFound) as caught:
            await attempt
        assert caught.value.reason == "FORCE_UNKNOWN"


async def test_a_new_force_is_served_within_five_seconds(
    ingest: RunningIngest, store_process: StoreProcess, force: str
) -> None:
    created = f"{force}-new"
    client = await ingest.cameras(created)
    await store_process.create(created)

    async def enrolled() -> bool:
        try:
            return bool((await client.enrol(created, "gateway", [fixed("a")])).token)
        except NotFound:
            return False

    await eventually(enrolled, seconds=5)


async def test_feeds_of_a_retired_force_no_longer_deliver(
    ingest: RunningIngest, store_process: StoreProcess, force: str
) -> None:
    token, client = await ingest.enrol(force, "gateway", "a"), await ingest.cameras(force)
    feed = (await ingest.connect()).feed(token, backoff=QUICK)

    async def deliver_while_the_force_is_retired() -> None:
        async with feed.stream() as stream:
            await stream.send(reads_of("a", unique_ids(1)))
            await stream.drain()
            await store_process.retire(force)
            await eventually(lambda: not stream.connected, seconds=5)
            assert ingest.parts.door.streams == 0

    for attempt in (deliver_while_the_force_is_retired(), feed.submit(reads_of("a", unique_ids(1)))):
        with pytest.raises(FeedRefused) as refused:
            await attempt
        assert refused.value.reason == "TOKEN_UNKNOWN"
    with pytest.raises(NotFound) as caught:
        await client.enrol(force, "another", [fixed("b")])
    assert caught.value.reason == "FORCE_UNKNOWN"
    assert [camera.camera_id async for camera in client.cameras(force)] == ["a"]


async def test_services_watch_the_cameras_of_a_force(start_ingest: StartIngest, force: str) -> None:
    """Also those that change at another replica."""
    first, second = await start_ingest(), await start_ingest()
    await first.enrol(force, "gateway", "b")
    async with open_channel(second.target, second.pki.issue_service("match")) as channel:
        responses = CameraClient(channel).watch(force)
        seen = await anext(responses)
        while not seen.cameras.cameras:
            seen = await anext(responses)
        assert [camera.camera_id for camera in seen.cameras.cameras] == ["b"]
        await first.enrol(force, "another", fixed("a", position=Position(latitude=51.5, longitude=0.25)))
        async with asyncio.timeout(3):
            changed = await anext(responses)
            # The replica may still hear of the first enrolment, which changes nothing any more.
            while changed.HasField("progress"):
                changed = await anext(responses)
        assert changed.revision > seen.revision
        assert changed.cameras.cameras[0] == fixed(
            "a",
            name="a",
            feed="another",
            enabled=True,
            position=Position(latitude=51.5, longitude=0.25),
        )
        async with asyncio.timeout(5):
            assert (await anext(responses)).HasField("progress")
        stopping = asyncio.create_task(second.parts.server.stop())
        with pytest.raises(Unavailable) as caught:
            await anext(responses)
        assert caught.value.reason == "STOPPING"
        await stopping


async def test_people_may_not_watch_cameras(ingest: RunningIngest, force: str) -> None:
    with pytest.raises(Forbidden) as caught:
        await anext((await ingest.cameras(force)).watch(force))
    assert caught.value.reason == "CALLER_NOT_ALLOWED"
