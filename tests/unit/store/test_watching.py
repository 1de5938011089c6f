"""The directory in memory: every watcher gets the newest one, and never an older one after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from chassis.errors import Unavailable
from services.store.forces import watching
from services.store.forces.force import Directory, Force, NewForce
from services.store.forces.settings import Settings
from services.store.forces.watching import DirectoryFeed

AT = datetime(2026, 1, 1, tzinfo=UTC)


class FakeForces:
    """A directory that tests change."""

    def __init__(self) -> None:
        self.now = Directory(1, [Force("essex", "Essex Police", AT, None)])
        self.whole_reads = 0

    def add(self, code: str) -> None:
        self.now = Directory(self.now.revision + 1, [*self.now.forces, Force(code, code, AT, None)])

    async def create(self, new: NewForce) -> Force:
        raise NotImplementedError

    async def change(self, force: str, settings: Settings) -> Force:
        raise NotImplementedError

    async def retire(self, force: str) -> Force:
        raise NotImplementedError

    async def revision(self) -> int:
        return self.now.revision

    async def directory(self) -> Directory:
        self.whole_reads += 1
        return self.now


@pytest.fixture
def forces() -> FakeForces:
    return FakeForces()


@pytest.fixture
def stopping() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def feed(forces: FakeForces, stopping: asyncio.Event) -> DirectoryFeed:
    return DirectoryFeed(forces, stopping)


async def following(messages: AsyncIterator[Directory | int]) -> Directory | int:
    async with asyncio.timeout(5):
        return await anext(messages)


async def to_the_end(messages: AsyncIterator[Directory | int]) -> None:
    async with asyncio.timeout(5):
        async for _ in messages:
            pass


async def test_the_directory_comes_first_then_after_each_change(
    feed: DirectoryFeed, forces: FakeForces
) -> None:
    messages = feed.watch()
    assert await following(messages) == forces.now
    for code in ("kent", "surrey"):
        forces.add(code)
        waiting = asyncio.create_task(following(messages))
        await feed.look()
        assert await waiting == forces.now


async def test_changes_between_two_messages_come_as_one(feed: DirectoryFeed, forces: FakeForces) -> None:
    messages = feed.watch()
    await following(messages)
    for code in ("kent", "surrey"):
        forces.add(code)
        await feed.look()
    assert await following(messages) == forces.now


async def test_progress_comes_while_nothing_changes(
    feed: DirectoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PROGRESS_SECONDS", 0.01)
    messages = feed.watch()
    await following(messages)
    assert [await following(messages) for _ in range(3)] == [1, 1, 1]


async def test_a_directory_that_was_not_compared_with_the_database_is_not_confirmed(
    forces: FakeForces, stopping: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PROGRESS_SECONDS", 0.01)
    now = 100.0
    feed = DirectoryFeed(forces, stopping, lambda: now)
    messages = feed.watch()
    await following(messages)
    now += 5.0
    assert await following(messages) == 1
    now += 0.1
    await feed.look()
    now += 5.0
    assert await following(messages) == 1
    now += 0.1
    with pytest.raises(Unavailable, match="DATABASE_UNAVAILABLE"):
        await following(messages)
    reads = forces.whole_reads
    with pytest.raises(Unavailable, match="DATABASE_UNAVAILABLE"):
        await following(feed.watch())
    assert forces.whole_reads == reads


async def test_the_whole_directory_is_read_only_when_its_revision_has_changed(
    feed: DirectoryFeed, forces: FakeForces
) -> None:
    for _ in range(5):
        await feed.look()
    assert forces.whole_reads == 1
    forces.add("kent")
    await feed.look()
    assert forces.whole_reads == 2


async def test_a_watcher_begins_with_what_the_database_holds(feed: DirectoryFeed, forces: FakeForces) -> None:
    await feed.look()
    forces.add("kent")
    assert await following(feed.watch()) == forces.now


async def test_watchers_get_stopping_when_the_server_stops(
    feed: DirectoryFeed, stopping: asyncio.Event
) -> None:
    messages = feed.watch()
    await following(messages)
    stopping.set()
    feed.wake()
    with pytest.raises(Unavailable, match="STOPPING"):
        await to_the_end(messages)
