"""Images in a bucket of a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1.search_pb2 import IMAGE_KIND_OVERVIEW, IMAGE_KIND_PLATE_PATCH

from chassis.errors import StartupFailure, Unavailable
from services.store.images.objects import object_key, open_images
from services.store.images.probe import ImageProbe
from tests.contract.store.conftest import StartStore
from tests.contract.store.following import collect
from tests.contract.store.reads import columns
from tests.contract.store.s3_server import BUCKET, S3Server, s3_server

URL = f"s3://{BUCKET}/a/prefix"
DAY = date(2026, 3, 1)
PURPOSE = Purpose(justification="a test of images")


@pytest.fixture(scope="module")
def running_s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(running_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with the environment of a client."""
    for name, value in running_s3.environment.items():
        monkeypatch.setenv(name, value)
    return running_s3


@pytest.mark.usefixtures("s3")
async def test_objects_are_put_read_listed_and_deleted() -> None:
    images = open_images(URL)
    keys = [object_key("surrey", DAY, number) for number in (1, 2, 3)]
    for key in keys:
        await images.put(key, b"0123456789")
    assert await images.get(keys[0], 2, 3) == b"234"
    assert await images.get(object_key("surrey", DAY, 9), 0, 1) is None
    assert await images.days("surrey") == [DAY]
    assert await images.days("sur") == []
    assert sorted(await images.numbers("surrey", DAY)) == [1, 2, 3]
    await images.delete("surrey", DAY, [1, 9])
    await images.discard([keys[1]])
    assert await images.numbers("surrey", DAY) == [3]
    await images.forget_day("surrey", DAY)
    await images.delete("surrey", DAY, [3])
    assert await images.days("surrey") == []


@pytest.mark.usefixtures("s3", "two_forces")
async def test_an_append_with_images_is_followed_and_looked_at(start_store: StartStore) -> None:
    store = await start_store(images=URL)
    sent = columns(40, at_us=store.clock(), images=True)
    await (await store.log("ingest")).append("essex", sent)
    (append,) = await collect(await store.log("match"), "essex", after=0, reads=40, include_images=True)
    assert append.columns == sent
    person = await store.search("ada", "essex")
    index = next(index for index, patch in enumerate(sent.plate_patches) if patch)
    for kind, images in ((IMAGE_KIND_PLATE_PATCH, sent.plate_patches), (IMAGE_KIND_OVERVIEW, sent.overviews)):
        assert await person.image("essex", index + 1, kind, PURPOSE) == images[index]


@pytest.mark.usefixtures("two_forces")
async def test_without_the_bucket_reads_with_images_are_refused_and_others_taken(
    start_store: StartStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        store = await start_store(images=URL)
        ingest = await store.log("ingest")
        server.kill()
        with pytest.raises(Unavailable, match="IMAGES_UNAVAILABLE"):
            await ingest.append("essex", columns(2, at_us=store.clock(), images=True))
        assert (await ingest.append("essex", columns(2, at_us=store.clock()))).last_position == 2


@pytest.mark.usefixtures("s3", "two_forces")
async def test_a_store_does_not_start_without_its_bucket(start_store: StartStore) -> None:
    with pytest.raises(StartupFailure, match=r"answered HTTP 404, NoSuchBucket\.$"):
        await start_store(images="s3://no-such-bucket/a")


@pytest.mark.usefixtures("two_forces")
async def test_a_store_does_not_start_with_a_wrong_key(
    start_store: StartStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(checks_keys=True) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(StartupFailure, match=r"answered HTTP 403, InvalidAccessKeyId\.$"):
            await start_store(images=URL)


async def test_a_store_whose_images_are_away_is_not_ready_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = [0.0]
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        images = open_images(URL)
        probe = ImageProbe(images, lambda: seconds[0])
        await probe.at_start()
        await probe.ping()
        assert await images.days("_probe") == []
        server.kill()
        await probe.ping()  # the answer of the last probe, which is not ten seconds old
        seconds[0] = 11
        with pytest.raises(Unavailable, match="the image store cannot be reached"):
            await probe.ping()
        await ImageProbe(images).at_start()  # it may come back: readiness tells


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    images = open_images(f"file://{tmp_path}/images")
    probe = ImageProbe(images)
    await probe.ping()
    (tmp_path / "images" / "_probe").rmdir()
    (tmp_path / "images" / "_probe").touch()
    with pytest.raises(StartupFailure, match=r"the image store cannot be used: Not a directory\.$"):
        await ImageProbe(images).at_start()
