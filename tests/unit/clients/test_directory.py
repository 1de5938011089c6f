"""DirectoryWatch keeps the newest directory, and the last one while the store is unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from gantry.store.v1.forces_pb2 import (
    FORCE_STATE_ACTIVE,
    FORCE_STATE_RETIRED,
    Directory,
    DirectoryProgress,
    Force,
    WatchResponse,
)
from gantry.store.v1.forces_pb2_grpc import DirectoryServiceServicer, add_DirectoryServiceServicer_to_server

from chassis.backoff import Backoff
from chassis.errors import Fault, Forbidden, Unavailable
from clients.directory import DirectoryWatch
from tests.unit.clients.fake_server import FakeServer, refuse, serving

ACTIVE, RETIRED = FORCE_STATE_ACTIVE, FORCE_STATE_RETIRED
STOPPING = Unavailable("STOPPING", "the store is stopping")


def directory(revision: int, **forces: int) -> WatchResponse:
    listed = [Force(code=code, name=code, state=state) for code, state in forces.items()]
    return WatchResponse(revision=revision, directory=Directory(forces=listed))


class FakeStore(DirectoryServiceServicer):
    """Each stream begins with `current`, then sends what `news` holds; a fault in it ends the stream."""

    def __init__(self) -> None:
        self.current: WatchResponse | Fault = directory(1, essex=ACTIVE)
        self.news: asyncio.Queue[WatchResponse | Fault] = asyncio.Queue()
        self.streams = 0

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[WatchResponse]:
        self.streams += 1
        following = self.current
        while True:
            if isinstance(following, Fault):
                await refuse(context, following)
            else:
                yield following
            following = await self.news.get()


@asynccontextmanager
async def watching(
    store: FakeStore, **options: Any
) -> AsyncIterator[tuple[FakeServer, DirectoryWatch, asyncio.Task[None]]]:
    async with serving(add_DirectoryServiceServicer_to_server, store) as (server, channel):
        watch = DirectoryWatch(channel, backoff=Backoff(0.02, 0.05), **options)
        running = asyncio.create_task(watch.run())
        try:
            yield server, watch, running
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError, Fault):
                await running


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def within(awaitable: Awaitable[Any]) -> Any:
    async with asyncio.timeout(5):
        return await awaitable


async def test_the_first_directory_makes_it_ready() -> None:
    store = FakeStore()
    store.current = directory(3, essex=ACTIVE, kent=RETIRED)
    async with watching(store) as (_, watch, _task):
        with pytest.raises(Unavailable, match="DIRECTORY_UNAVAILABLE"):
            watch.is_known("essex")
        await within(watch.ready())
        assert set(watch.forces) == {"essex", "kent"}
        assert watch.active == {"essex"}
        assert watch.changed.is_set()
        assert [watch.is_known(code) for code in ("essex", "kent", "surrey")] == [True, True, False]


async def test_a_change_is_taken_over_and_announced_once() -> None:
    store = FakeStore()
    async with watching(store) as (_, watch, _task):
        await within(watch.ready())
        watch.changed.clear()
        store.news.put_nowait(WatchResponse(revision=1, progress=DirectoryProgress()))
        store.news.put_nowait(directory(2, essex=ACTIVE, kent=ACTIVE))
        await within(watch.changed.wait())
        assert watch.active == {"essex", "kent"}
        watch.changed.clear()
        store.news.put_nowait(directory(2, essex=ACTIVE, kent=ACTIVE))
        store.news.put_nowait(directory(3, essex=RETIRED, kent=ACTIVE))
        await within(watch.changed.wait())
        assert (watch.active, store.news.empty()) == ({"kent"}, True)


async def test_a_force_that_was_created_a_moment_ago_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeStore()
    async with watching(store) as (_, watch, _task):
        with pytest.raises(Unavailable, match="DIRECTORY_UNAVAILABLE"):
            await watch.knows("kent")
        await within(watch.ready())
        asked = asyncio.create_task(watch.knows("kent"))
        store.news.put_nowait(directory(2, essex=ACTIVE, surrey=ACTIVE))
        await until(lambda: watch.is_known("surrey"))
        assert not asked.done()
        store.news.put_nowait(directory(3, essex=ACTIVE, surrey=ACTIVE, kent=ACTIVE))
        assert await within(asked)
        monkeypatch.setattr("clients.directory.NEW_FORCE_SECONDS", 0.1)
        assert not await within(watch.knows("avon"))


async def test_the_last_directory_stays_while_the_store_is_unavailable() -> None:
    store = FakeStore()
    async with watching(store) as (server, watch, task):
        await within(watch.ready())
        await server.stop()
        await asyncio.sleep(0.2)
        assert (watch.active, watch.is_known("essex"), task.done()) == ({"essex"}, True, False)
        store.current = directory(2, essex=ACTIVE, kent=ACTIVE)
        await server.start()
        await until(lambda: watch.is_known("kent"))


async def test_a_store_that_stops_is_watched_again() -> None:
    store = FakeStore()
    async with watching(store) as (_, watch, _task):
        await within(watch.ready())
        store.current = directory(2, kent=ACTIVE)
        store.news.put_nowait(STOPPING)
        await until(lambda: watch.active == {"kent"})
        assert store.streams == 2


async def test_an_older_directory_replaces_a_newer_one_as_after_a_restored_backup() -> None:
    store = FakeStore()
    store.current = directory(9, essex=ACTIVE, kent=ACTIVE)
    async with watching(store) as (_, watch, _task):
        await within(watch.ready())
        store.current = directory(8, essex=ACTIVE)
        store.news.put_nowait(STOPPING)
        await until(lambda: watch.active == {"essex"})


async def test_a_silent_stream_is_replaced() -> None:
    store = FakeStore()
    async with watching(store, silence_seconds=0.1) as (_, watch, _task):
        await within(watch.ready())
        await until(lambda: store.streams >= 3)
        assert watch.active == {"essex"}


async def test_a_refusal_that_cannot_pass_ends_the_loop() -> None:
    store = FakeStore()
    store.current = Forbidden("CALLER_NOT_ALLOWED", "not for you")
    async with watching(store) as (_, _watch, task):
        with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
            await within(task)


async def test_it_ends_when_cancelled_while_the_store_is_unavailable() -> None:
    store = FakeStore()
    store.current = Unavailable("DATABASE_UNAVAILABLE", "away")
    async with watching(store) as (_, watch, task):
        await until(lambda: store.streams >= 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        assert not watch.forces


async def test_a_store_is_heard_while_it_sends_something() -> None:
    store, now = FakeStore(), 100.0
    async with watching(store, clock=lambda: now) as (_, watch, _task):
        await within(watch.ready())
        now += 12.0
        assert watch.is_heard()
        now += 0.1
        assert not watch.is_heard()
        store.news.put_nowait(WatchResponse(revision=1, progress=DirectoryProgress()))
        await until(watch.is_heard)
