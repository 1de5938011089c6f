"""No space for pictures, or no folder: nothing is acknowledged, the answer is clear, later all arrives."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from gantry.store.v1 import search_pb2
from gantry_sdk import Receipt

from chassis.errors import Fault
from suite.suite import Suite, erase
from tests.chaos.flow import signed
from tests.e2e.door import PatientFeed, ReadMaker, connected, enrol, public_channel, submit_reads
from tests.e2e.machine import settings_in
from tests.e2e.outcome import PURPOSE, log_of, search_for, settled
from tests.postgres_server import throwaway_folder

pytestmark = pytest.mark.timeout(240)

FORCE = "essex"
PLATE = "WX55ZKW"
READS = 200
PICTURE_BYTES = 20_000
ANSWERED_WITHIN = 15.0
NO_ROOM = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}

Mend = Callable[[], object]
Spoil = Callable[[Path], Iterator[Mend]]


@contextmanager
def _a_full_disk(images: Path) -> Iterator[Mend]:
    """A file system of a megabyte that is made larger by mending it."""
    if not _done("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(images)):
        pytest.skip("mounting a small file system needs privileges")
    try:
        yield lambda: _done("mount", "-o", "remount,size=256m", str(images))
    finally:
        assert _done("umount", "-l", str(images))


def _done(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@contextmanager
def _no_folder(images: Path) -> Iterator[Mend]:
    """A file in place of the folder: no process, root included, can write into it."""
    aside = images.with_name("images-aside")
    images.rename(aside)
    images.touch()

    def mend() -> None:
        images.unlink()
        aside.rename(images)

    yield mend


@pytest.mark.parametrize("spoiled", [_a_full_disk, _no_folder])
async def test_nothing_is_acknowledged_that_cannot_be_kept(spoiled: Spoil) -> None:
    with throwaway_folder() as folder:
        settings = settings_in(folder, (FORCE,))
        async with Suite(settings) as suite:
            # The store opens its folder by name, so it writes to the file system mounted over it.
            with spoiled(suite.layout.images) as mend:  # type: ignore[attr-defined]
                await _all_arrives_in_the_end(suite, mend)
        await erase(settings.folder)


async def _all_arrives_in_the_end(suite: Suite, mend: Mend) -> None:
    maker, acked = ReadMaker(await enrol(suite, FORCE, "pictures")), 0
    reads = [_pictured(maker) for _ in range(READS)]

    def note(receipt: Receipt) -> None:
        nonlocal acked
        assert receipt.warnings == []
        acked += receipt.accepted + receipt.duplicate

    async with connected(suite) as connection, PatientFeed(maker.feed).on(connection).stream(note) as stream:
        for read in reads:
            await stream.send([read])
        fault = await _refusal(suite, maker)
        assert fault.status in NO_ROOM
        assert fault.retry_after is not None
        assert acked < READS
        mend()
        async with asyncio.timeout(60):
            await stream.drain()
    assert acked == READS
    await settled(suite, FORCE, READS)
    await _are_kept_whole(suite, reads)


async def _refusal(suite: Suite, maker: ReadMaker) -> Fault:
    """The answer to a picture that there is no room for."""
    async with public_channel(suite) as channel:
        while True:
            try:
                async with asyncio.timeout(ANSWERED_WITHIN):
                    await submit_reads(channel, maker.feed.token, [_pictured(maker, "overflow")])
            except Fault as fault:
                return fault


def _pictured(maker: ReadMaker, label: str = "picture") -> SubmittedRead:
    read = maker.one(PLATE)
    read.read_id = f"{label}-{read.read_id}"
    read.overview = signed(read.read_id + " " * PICTURE_BYTES)
    return read


async def _are_kept_whole(suite: Suite, reads: Sequence[SubmittedRead]) -> None:
    log = {entry.identity[3]: entry.position for entry in await log_of(suite, FORCE)}
    async with search_for(suite) as search:
        for read in reads:
            request = search_pb2.GetImageRequest(
                force=FORCE,
                purpose=PURPOSE,
                position=log[read.read_id],
                kind=search_pb2.IMAGE_KIND_OVERVIEW,
            )
            assert (await search.GetImage(request)).jpeg == read.overview, (
                "a picture that is not as it was sent"
            )
