"""A feed that sends pictures as fast as it can, in a process of its own that has one processor only.

Run as ``python -m tests.chaos.flooder``; `flooding` does.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from gantry.ingest.v1.ingest_pb2 import StreamReadsRequest, StreamReadsResponse
from gantry_sdk import read

from suite.suite import Suite
from tests.e2e.door import JPEG, SERVICE, EnrolledFeed, bearer

PICTURED_READS = 130
"""With their pictures they nearly fill a message."""
_PATCH_BYTES = 3_000
_OVERVIEW_BYTES = 25_000
_END_SECONDS = 10.0


@asynccontextmanager
async def flooding(
    suite: Suite, feed: EnrolledFeed, streams: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The feed floods the public door until the block is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.flooder",
        suite.address("ingest", "public"),
        str(suite.authority.certificate),
        feed.cameras[0],
        str(streams),
        env={**os.environ, "FLOODER_TOKEN": feed.token},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        # The first acknowledgement.
        async with asyncio.timeout(60):
            assert await process.stdout.readline()
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()


def _batches(camera: str) -> Iterator[bytes]:
    patch, overview = _picture(_PATCH_BYTES), _picture(_OVERVIEW_BYTES)
    label = f"{os.getpid()}-{time.time_ns()}"
    for sequence in itertools.count():
        reads = [
            read(
                camera_id=camera,
                read_id=f"{label}-{sequence}-{index}",
                captured_at=time.time_ns() // 1000,
                vrm="YT57ZKW",
                confidence=0.9,
                plate_patch=patch,
                overview=overview,
            )
            for index in range(PICTURED_READS)
        ]
        yield StreamReadsRequest(sequence=sequence, reads=reads).SerializeToString()


def _picture(size: int) -> bytes:
    filling = size - len(JPEG)
    return JPEG[:-2] + bytes(filling) + JPEG[-2:]


async def _flood(channel: grpc.aio.Channel, token: str, camera: str) -> None:
    call = channel.stream_stream(f"{SERVICE}/StreamReads", None, StreamReadsResponse.FromString)
    while True:
        stream = call(iter(_batches(camera)), metadata=bearer(token))
        try:
            async for answer in stream:
                if answer.HasField("ack"):
                    sys.stdout.write(f"{answer.ack.accepted}\n")
                    sys.stdout.flush()
        except grpc.aio.AioRpcError:
            # What a patient vendor would wait.
            await asyncio.sleep(1.0)


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("authority", type=lambda name: Path(name).read_bytes())
    parser.add_argument("camera")
    parser.add_argument("streams", type=int)
    wanted = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    credentials = grpc.ssl_channel_credentials(wanted.authority)
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.max_send_message_length", -1)]
    async with (
        grpc.aio.secure_channel(wanted.address, credentials, options) as channel,
        asyncio.TaskGroup() as streams,
    ):
        for _ in range(wanted.streams):
            streams.create_task(_flood(channel, os.environ["FLOODER_TOKEN"], wanted.camera))


if __name__ == "__main__":
    asyncio.run(_main())
