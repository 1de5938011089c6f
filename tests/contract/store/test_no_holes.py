"""The log has no holes, also when appends commit late, fail, or run at several replicas."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from chassis.errors import Fault
from clients.store import BufferClient, ReadLogClient
from reads.appended import appends_of
from reads.columns import picked
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.reads import columns

APPENDERS = 6
APPENDS = 12
PATIENCE_SECONDS = 60.0


class AbortedError(Exception):
    """The transaction that must not commit."""


def delayed(chance: random.Random) -> Callable[[], Awaitable[None]]:
    """Holds commits back for a while, and lets some fail."""

    async def before_commit() -> None:
        await asyncio.sleep(chance.choice((0, 0, 0.002, 0.01, 0.03)))
        if chance.random() < 0.1:
            raise AbortedError

    return before_commit


async def append_all(client: ReadLogClient, name: str, at_us: int, chance: random.Random) -> list[str]:
    """Append with one camera, resending what failed and some more; the read_ids in order."""
    read_ids: list[str] = []
    for number in range(APPENDS):
        size = chance.choice((1, 2, 7, 40))
        reads = columns(size, at_us=at_us + number * 1_000_000, cameras=(name,))
        while True:
            try:
                await client.append("essex", reads)
                break
            except Fault:
                continue
        read_ids += reads.read_ids
        if chance.random() < 0.3:
            with_old = picked(reads, range(0, size, 2))
            await asyncio.gather(client.append("essex", with_old), return_exceptions=True)
    return read_ids


async def followed(
    client: ReadLogClient, buffer: BufferClient, done: asyncio.Event
) -> list[tuple[int, str, str]]:
    """Position, camera and read_id of what a follower gets until everything is appended."""
    seen: list[tuple[int, str, str]] = []
    async for response in _until_caught_up(client, buffer, done):
        for append in appends_of(response):
            cameras = [append.columns.camera_ids[index] for index in append.columns.camera_indexes]
            seen += zip(append.positions, cameras, append.columns.read_ids, strict=True)
        assert not seen or seen[-1][0] <= response.position <= response.head
    return seen


async def _until_caught_up(client: ReadLogClient, buffer: BufferClient, done: asyncio.Event) -> AsyncIterator:
    following = client.follow("essex", "match", after=0)
    async for response in following:
        yield response
        if done.is_set() and response.position == (await buffer.status("essex")).head:
            break
    await following.aclose()


@pytest.mark.usefixtures("two_forces")
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_followers_get_every_read_once_in_order(start_store: StartStore, seed: int) -> None:
    chance = random.Random(seed)
    # A ring that holds next to nothing throws followers back to the database all the time.
    stores: list[RunningStore] = [
        await start_store(before_commit=delayed(random.Random(seed * 10)), ring_bytes=2_000),
        await start_store(before_commit=delayed(random.Random(seed * 10 + 1))),
        await start_store(),
    ]
    done = asyncio.Event()
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as work:
        clients = [await each.log("match") for each in stores for _ in "ab"]
        buffer = BufferClient(await stores[0].channel_of_service("match"))
        followers = [work.create_task(followed(client, buffer, done)) for client in clients]
        appenders = [
            asyncio.create_task(
                append_all(
                    await stores[number % 3].log("ingest"),
                    f"camera-{number}",
                    stores[0].clock(),
                    random.Random(chance.random()),
                )
            )
            for number in range(APPENDERS)
        ]
        sent = {f"camera-{number}": await task for number, task in enumerate(appenders)}
        done.set()
    seen = [task.result() for task in followers]
    positions = [position for position, _, _ in seen[0]]
    assert positions == sorted(set(positions))
    assert all(each == seen[0] for each in seen)
    for camera, read_ids in sent.items():
        assert [read_id for _, of, read_id in seen[0] if of == camera] == read_ids
