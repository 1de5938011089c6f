"""The store with its images in versitygw, a real S3 server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.suite import Suite
from tests.counterparts.programs import free_port, program, running
from tests.counterparts.sending import delivered, sent
from tests.e2e.command import gantry
from tests.e2e.door import JPEG, EnrolledFeed
from tests.e2e.health import is_serving
from tests.e2e.waiting import eventually

HINT = "go install github.com/versity/versitygw/cmd/versitygw@v1.8.0"
SECRET = "a-secret-of-the-test"


def variables(port: int, **changed: str) -> dict[str, str]:
    """What the store is told of its image store."""
    return {
        "GANTRY_STORE__IMAGES": "s3://pictures/gantry",
        "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        **changed,
    }


@asynccontextmanager
async def s3(folder: Path, port: int) -> AsyncIterator[Path]:
    """A gateway with one bucket, until the end of the block; the folder of the bucket."""
    path = program("versitygw", HINT)
    bucket = folder / "data" / "pictures"
    bucket.mkdir(parents=True, exist_ok=True)
    environment = {"ROOT_ACCESS_KEY": "key", "ROOT_SECRET_KEY": SECRET}
    command = (path, "--port", f"127.0.0.1:{port}", "posix", str(bucket.parent))
    async with running(*command, port=port, log=folder / "s3.log", environment=environment):
        yield bucket


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another-secret"}, "answered HTTP 403, SignatureDoesNotMatch"),
        ({"GANTRY_STORE__IMAGES": "s3://nowhere"}, "answered HTTP 404, NoSuchBucket"),
    ],
)
async def test_wrong_settings_stop_the_start_in_the_words_of_s3(
    suite: Suite, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    port = free_port()
    try:
        async with s3(tmp_path, port):
            with pytest.raises(SuiteError) as caught:
                await suite.restart("store", variables(port, **changed))
        assert f"GANTRY_STORE__IMAGES cannot be used: the image store {said}" in str(caught.value)
        assert "another-secret" not in suite.process("store").log.read_text()
    finally:
        await suite.restart("store")


async def test_it_dies_and_comes_back(suite: Suite, feed: EnrolledFeed, tmp_path: Path) -> None:
    port = free_port()
    try:
        async with s3(tmp_path, port) as bucket:
            await suite.restart("store", variables(port))
            await sent(suite, feed, plate_patch=JPEG)
            assert any(path.is_file() for path in (bucket / "gantry" / "essex").rglob("*"))

        async def ill() -> bool:
            return not await is_serving(suite, "store", seconds=5)

        await eventually(ill, within=60, what="the store is not ready")
        told = await gantry(suite, "operator", "status", code=1)
        assert {"name": "store", "state": "failing"}.items() <= next(
            each for each in told["processes"] if each["name"] == "store"
        ).items()
        log = suite.process("store").log.read_text()
        assert "the image store cannot be reached" in log
        assert SECRET not in log
        async with s3(tmp_path, port):
            await eventually(
                lambda: is_serving(suite, "store", seconds=5), within=60, what="the store is ready again"
            )
            await delivered(suite, feed)
    finally:
        await suite.restart("store")
