"""Slow, frozen and many imports keep nobody else from importing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from chassis.database import in_forces, open_pool
from chassis.errors import Fault, Unavailable
from services.match.hotlists import filling, importing, postgres
from services.match.hotlists.importing import ImportOrder
from services.match.hotlists.postgres import SQL, PostgresHotlists
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import (
    SECTION,
    alerts_of,
    eventually,
    load,
    load_csv,
    replica,
    until_matched,
)

FORCES = ("essex", "kent")


def _order(force: str = "essex", name: str = "slow") -> ImportOrder:
    return ImportOrder(force, name, True, uuid4(), "ana")


@pytest.fixture(autouse=True)
def _frozen_at_once(monkeypatch):
    """Nothing extends a lease, as in a process that is frozen."""
    monkeypatch.setattr(postgres, "KEEP_SECONDS", 600)


class Slow:
    """An upload that has begun, and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b"vrm,reason\nA1,x\n"
        self.begun.set()
        await self.go_on.wait()
        yield b"B1,y\n"


async def test_slow_uploads_take_no_turn_from_others_nor_from_their_own_force(match_database, log):
    async with replica(match_database, log, forces=FORCES) as match:
        uploads = [Slow() for _ in range(3 * SECTION.imports_at_once)]
        importing = [
            asyncio.create_task(match.imports.run(_order(name=f"slow {number}"), upload.chunks()))
            for number, upload in enumerate(uploads)
        ]
        await asyncio.gather(*(upload.begun.wait() for upload in uploads))
        async with asyncio.timeout(30):
            assert (await load(match, "AB12CDE,own")).entries == 1
            assert (await load_csv(match, b"vrm,reason\nAB12CDE,other\n", force="kent")).entries == 1
        assert not any(task.done() for task in importing)
        for upload in uploads:
            upload.go_on.set()
        assert [answer.entries for answer in await asyncio.gather(*importing)] == [2] * len(uploads)


async def test_an_upload_that_takes_too_long_is_given_up_and_the_list_stays(match_database, log):
    async with replica(match_database, log) as match:
        await load(match, "AB12CDE,old", name="slow")
        match.imports._most_seconds = 0.3
        with pytest.raises(Fault) as caught:
            await match.imports.run(_order(), Slow().chunks())
        match.imports._most_seconds = 60
        assert caught.value.reason == "IMPORT_LATE"
        await until_matched(match, log.append(Seen("AB12CDE")))
        await eventually(lambda: _only_used_loads_are_left(match_database))
    assert [alert.reason for alert in await alerts_of(match_database)] == ["old"]


async def test_a_file_that_comes_in_portions_is_taken_as_a_whole(match_database, log, monkeypatch):
    monkeypatch.setattr(filling, "PORTION_BYTES", 100)
    monkeypatch.setattr(importing, "_SLICE_BYTES", 64)
    lines = [f"A{number},reason {number}" for number in range(500)]
    async with replica(match_database, log) as match:
        answer = await load(match, *lines)
    assert answer.entries == 500


async def test_a_load_whose_import_was_frozen_is_dropped_and_the_import_given_up(match_database, log):
    slow = Slow()
    async with replica(match_database, log) as match, open_pool(match_database) as pool:
        await load(match, "AB12CDE,old", name="slow")
        importing = asyncio.create_task(match.imports.run(_order(), slow.chunks()))
        await slow.begun.wait()
        others = PostgresHotlists(pool, "match")
        assert await others.drop_unused("essex") == 1
        await _end_lease(pool)
        assert await others.drop_unused("essex") == 0
        slow.go_on.set()
        with pytest.raises(Unavailable) as caught:
            await importing
        assert caught.value.reason == "IMPORT_INTERRUPTED"
        await until_matched(match, log.append(Seen("AB12CDE")))
    assert [alert.reason for alert in await alerts_of(match_database)] == ["old"]


async def test_an_import_keeps_its_load_for_as_long_as_it_runs(match_database, monkeypatch):
    async def lease() -> timedelta:
        async with in_forces(pool, "essex") as connection:
            return await connection.fetchval("select busy_until - present() from loads")

    async def is_kept() -> bool:
        return await lease() > timedelta(seconds=30)

    monkeypatch.setattr(postgres, "KEEP_SECONDS", 0.05)
    async with open_pool(match_database) as pool:
        async with PostgresHotlists(pool, "match").begin("essex"):
            await _end_lease(pool)
            await eventually(is_kept)
        assert await lease() <= timedelta()


async def test_a_copy_that_was_frozen_in_the_middle_is_ended(match_database, log):
    async def frozen() -> AsyncIterator[bytes]:
        yield b""
        copying.set()
        await asyncio.Event().wait()

    copying = asyncio.Event()
    async with open_pool(match_database) as pool, pool.acquire() as connection:
        hotlists = PostgresHotlists(pool, "match")
        async with hotlists.begin("essex") as loading:

            async def copy() -> None:
                async with in_forces(connection, "essex"):
                    await connection.copy_to_table(f"entries_{loading.load_no}", source=frozen())

            stuck = asyncio.create_task(copy())
            await copying.wait()
            # Its time is not over yet.
            assert await hotlists.drop_unused("essex") == 1
            assert not stuck.done()
            await _end_lease(pool)
            await eventually(lambda: _is_dropped(hotlists))
            stuck.cancel()
            await asyncio.gather(stuck, return_exceptions=True)
        async with in_forces(pool, "essex") as other:
            assert await other.fetchval("select count(*) from loads") == 0


async def test_a_load_that_was_dropped_cannot_be_sealed_or_activated(match_database, log):
    async with open_pool(match_database) as pool:
        hotlists = PostgresHotlists(pool, "match")
        async with hotlists.begin("essex") as loading:
            await _end_lease(pool)
            await eventually(lambda: _is_dropped(hotlists))
            with pytest.raises(Unavailable):
                await loading.fill(b"")
            with pytest.raises(Unavailable):
                await loading.seal(_now())
            assert await loading.keep(timedelta(seconds=60)) is False


def _now() -> datetime:
    return datetime.now(UTC)


async def _end_lease(pool: asyncpg.Pool) -> None:
    """As if the process had been frozen for longer than its lease."""
    async with in_forces(pool, "essex") as connection:
        for row in await connection.fetch(SQL["list_unused_loads"], "essex"):
            assert await connection.fetchval(SQL["keep_load"], row["load_no"], timedelta(seconds=-1))


async def _is_dropped(hotlists: PostgresHotlists) -> bool:
    return await hotlists.drop_unused("essex") == 0


async def _only_used_loads_are_left(match_database) -> bool:
    async with open_pool(match_database) as pool, in_forces(pool, "essex") as connection:
        return not await connection.fetch(SQL["list_unused_loads"], "essex")
