"""Following across memory and database, against a log in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from chassis.errors import OutOfRange, Unavailable
from services.store.log import follow as following
from services.store.log.follow import Log, LogPart, Start, follow, start_at
from services.store.log.ring import LogEntry, Ring


class PastLog:
    """The database: all entries, and the deleted ones."""

    def __init__(self, *entries: LogEntry) -> None:
        self.entries = [*entries]
        self.asked = 0
        self.deleted_to = 0

    async def entries_after(self, force: str, position: int, most_reads: int) -> Sequence[LogEntry]:
        self.asked += 1
        await asyncio.sleep(0)
        return [entry for entry in self.entries if entry.last > position][:1]

    async def head(self, force: str) -> int:
        return self.entries[-1].last

    async def purged_to(self, force: str) -> int:
        return self.deleted_to

    async def oldest(self, force: str) -> int:
        return self.entries[0].after


def entry(after: int, last: int) -> LogEntry:
    return LogEntry(after, last, last - after, b"x", 0)


async def parts(past: PastLog, ring: Ring, start: int, number: int, accepted_gap: int = 0) -> list[LogPart]:
    found: list[LogPart] = []
    async with asyncio.timeout(10):
        async for part in follow(Log(past, ring, "essex"), Start(start, accepted_gap), 100, asyncio.Event()):
            found.append(part)
            if len(found) == number:
                return found
    raise AssertionError("following ended by itself")


async def test_a_follower_goes_from_the_database_over_to_memory() -> None:
    past = PastLog(entry(0, 3), entry(3, 5), entry(5, 9))
    ring = Ring(1_000_000, head=5)
    ring.add(5, [past.entries[2]])
    found = await parts(past, ring, 0, 4)
    assert [part.position for part in found] == [0, 3, 5, 9]
    assert past.asked == 2


async def test_a_head_announced_early_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PROGRESS_SECONDS", 0.01)
    past, ring = PastLog(), Ring(1_000_000)
    ring.announce(4)
    found = await parts(past, ring, 0, 3)
    assert not any(part.entries for part in found)
    assert past.asked < 10


async def test_entries_of_another_replica_are_served_from_memory_once_they_are_added() -> None:
    past, ring = PastLog(), Ring(1_000_000)
    found = follow(Log(past, ring, "essex"), Start(0, 0), 100, asyncio.Event())
    async with asyncio.timeout(1):
        await anext(found)
        ring.announce(4)
        waiting = asyncio.ensure_future(anext(found))
        await asyncio.sleep(0)
        ring.add(0, [entry(0, 4)])
        assert (await waiting).position == 4
    await found.aclose()
    assert past.asked == 0


async def test_an_idle_follower_gets_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PROGRESS_SECONDS", 0.01)
    past, ring = PastLog(), Ring(1_000_000, head=7)
    found = await parts(past, ring, 7, 3)
    assert [(part.position, part.head) for part in found] == [(7, 7)] * 3
    assert past.asked == 0


async def test_a_deletion_under_a_follower_ends_its_tail_with_the_reason() -> None:
    past, ring = PastLog(entry(5, 9)), Ring(1_000_000, head=9)
    past.deleted_to = 5
    with pytest.raises(OutOfRange) as purged:
        await parts(past, ring, 2, 3)
    assert (purged.value.reason, purged.value.metadata) == ("POSITION_PURGED", {"first_position": "6"})
    assert [part.position for part in await parts(past, ring, 2, 2, accepted_gap=5)] == [2, 9]


async def test_where_followers_may_start() -> None:
    past, ring = PastLog(entry(5, 9)), Ring(1_000_000, head=9)
    past.deleted_to = 7
    assert await start_at(Log(past, ring, "essex"), None) == Start(5, 7)
    assert await start_at(Log(past, ring, "essex"), 9) == Start(9, 9)
    behind = Ring(1_000_000, head=3)
    assert await start_at(Log(past, behind, "essex"), 9) == Start(9, 9)
    for after, reason in ((10, "POSITION_AHEAD"), (6, "POSITION_PURGED")):
        with pytest.raises(OutOfRange) as refused:
            await start_at(Log(past, ring, "essex"), after)
        assert refused.value.reason == reason


async def test_a_follower_gets_stopping_at_once_when_the_store_stops() -> None:
    ring, stopping = Ring(1_000_000), asyncio.Event()
    found = follow(Log(PastLog(), ring, "essex"), Start(0, 0), 100, stopping)
    async with asyncio.timeout(1):
        await anext(found)
        waiting = asyncio.ensure_future(anext(found))
        await asyncio.sleep(0)
        stopping.set()
        ring.wake()
        assert not (await waiting).entries
        with pytest.raises(Unavailable, match="STOPPING"):
            await anext(found)


async def test_a_log_whose_end_the_database_does_not_tell_is_not_confirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "PROGRESS_SECONDS", 0.01)
    now = 100.0
    ring = Ring(1_000_000, head=7, clock=lambda: now)
    found = follow(Log(PastLog(), ring, "essex"), Start(7, 7), 100, asyncio.Event())
    async with asyncio.timeout(5):
        now += 5.0
        assert [(await anext(found)).position for _ in range(3)] == [7, 7, 7]
        ring.announce(7)
        now += 5.0
        assert (await anext(found)).position == 7
        now += 0.1
        with pytest.raises(Unavailable, match="DATABASE_UNAVAILABLE"):
            await anext(found)
        with pytest.raises(Unavailable, match="DATABASE_UNAVAILABLE"):
            await anext(follow(Log(PastLog(), ring, "essex"), Start(7, 7), 100, asyncio.Event()))
