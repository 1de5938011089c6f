"""A whole site is lost and restored: what was revoked, withdrawn or purged since the backup stays so."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import grpc
import pyrage
import pytest
from gantry.ingest.v1 import cameras_pb2, cameras_pb2_grpc
from gantry.store.v1 import search_pb2

from chassis.client import open_channel
from chassis.errors import Fault, fault_from
from suite.backup.archive import Archive
from suite.backup.base import bases
from suite.backup.reach import complete_to
from suite.backup.restore import Wish, restore
from suite.backup.settings import BackupSettings
from suite.suite import Suite, erase
from tests.e2e.door import JPEG, EnrolledFeed, ReadMaker, enrol, public_channel, submit_reads
from tests.e2e.hotlists import import_plates
from tests.e2e.machine import settings_in
from tests.e2e.outcome import PURPOSE, alerts_of, found_by, log_of, matched, search_for
from tests.e2e.waiting import eventually
from tests.postgres_server import throwaway_folder

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("restore")]

FORCE = "avon"
WITHDRAWN, SEEN = "WX68YKV", "LD19OFB"


async def new_token(suite: Suite, feed: EnrolledFeed) -> EnrolledFeed:
    """Revoke a feed's token by asking for another one."""
    request = cameras_pb2.EnrolCamerasRequest(
        force=feed.force,
        feed=feed.name,
        cameras=[cameras_pb2.Camera(camera_id=name) for name in feed.cameras],
        new_token=True,
        request_id=str(uuid.uuid4()),
    )
    async with open_channel(suite.address("ingest"), suite.person()) as channel:
        answer = await cameras_pb2_grpc.CameraRegistryServiceStub(channel).EnrolCameras(request)
    return replace(feed, token=answer.token)


async def send(suite: Suite, feed: EnrolledFeed, reads: ReadMaker, vrm: str) -> str:
    """Submit a read. Returns the reason when the door refuses it."""
    try:
        async with public_channel(suite) as channel:
            answer = await submit_reads(channel, feed.token, [reads.one(vrm, plate_patch=JPEG)])
    except Fault as fault:
        return fault.reason
    assert answer.ack.accepted == 1
    return ""


async def archived(archive: Archive) -> datetime:
    """Wait until everything that is committed now is archived. Returns a time after it."""
    now = datetime.now(UTC)

    async def done() -> bool:
        reach = complete_to(archive) if archive.folder.exists() else None
        return reach is not None and reach > now and bool(bases(archive))

    await eventually(done, within=90, what="the archive of everything")
    return datetime.now(UTC)


async def test_a_lost_site_is_restored_without_what_was_taken_back() -> None:
    identity = pyrage.x25519.Identity.generate()
    with throwaway_folder() as folder:
        backup = BackupSettings(folder / "archive", (str(identity.to_public()),))
        archive = Archive(backup.archive)
        settings = replace(settings_in(folder, (FORCE,)), backup=backup)
        async with Suite(settings) as suite:
            feed = await enrol(suite, FORCE, "gateway")
            reads = ReadMaker(feed, "before")
            await import_plates(suite, FORCE, [WITHDRAWN])
            assert await send(suite, feed, reads, SEEN) == ""
            assert await send(suite, feed, reads, WITHDRAWN) == ""
            await eventually(lambda: alerts_of(suite, FORCE), within=30, what="an alert")
            at = await archived(archive)
            newer = await new_token(suite, feed)
            await import_plates(suite, FORCE, ["ZZ99ZZZ"])
            assert await send(suite, newer, reads, SEEN) == ""
            await archived(archive)
            suite.end_now()
        await erase(settings.folder)

        home = folder / "elsewhere"
        done = await restore(Wish(archive.folder, [identity], home, at), lambda _: None)
        assert done.replayed.tokens == 1
        assert done.replayed.hotlists == [f"{FORCE}/e2e"]
        restored = replace(settings, folder=home, backup=None)
        async with Suite(restored) as suite:
            await looks_as_before(suite, at)
            assert await send(suite, feed, reads, SEEN) == "TOKEN_UNKNOWN"
            assert await send(suite, newer, reads, WITHDRAWN) == ""
            await eventually(lambda: matched(suite, FORCE), within=30, what="matching")
            assert len(await alerts_of(suite, FORCE)) == 1, "only the one from before the backup"
        await erase(home)


async def looks_as_before(suite: Suite, at: datetime) -> None:
    """Search opens by itself, and finds the reads of before with their pictures, and none of later."""
    assert [entry.vrm for entry in await log_of(suite, FORCE)] == [SEEN, WITHDRAWN]
    request = search_pb2.SearchReadsRequest(forces=[FORCE], vrm=SEEN, purpose=PURPOSE)
    async with search_for(suite) as search:

        async def opened() -> list[search_pb2.StoredRead]:
            try:
                return await found_by(search, request)
            except grpc.aio.AioRpcError as error:
                if fault_from(error).reason == "RESTORE_IN_PROGRESS":
                    return []
                raise

        (found,) = await eventually(opened, within=60, what="search")
        assert found.read.captured_at.ToDatetime(UTC) <= at
        image = search_pb2.GetImageRequest(
            force=FORCE, position=found.position, kind=search_pb2.IMAGE_KIND_PLATE_PATCH, purpose=PURPOSE
        )
        assert (await search.GetImage(image)).jpeg == JPEG
