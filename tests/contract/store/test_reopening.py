"""A restored store shows nothing before it has deleted again what was deleted since the backup."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_RESTORE
from gantry.common.v1.purpose_pb2 import Purpose

from chassis.errors import Unavailable
from chassis.settings import DatabaseSettings
from clients.search import SearchClient
from tests.contract.store.conftest import Clock, RunningStore, StartStore
from tests.contract.store.reads import columns
from tests.postgres_server import SharedServer

US_A_DAY = 86_400_000_000
PURPOSE = Purpose(justification="a test of a restore")
MarkRestored = Callable[[], Awaitable[None]]


@pytest.fixture
def mark_restored(postgres_server: SharedServer, database_settings: DatabaseSettings) -> MarkRestored:
    """Do what `gantry restore` does to the store's schema."""

    async def mark() -> None:
        superuser = await asyncpg.connect(**postgres_server.postgres.superuser(database_settings.name))
        try:
            await superuser.execute("insert into store.restoration (subject) values ('restored to noon')")
        finally:
            await superuser.close()

    return mark


async def found(search: SearchClient) -> int:
    return len([read async for read in search.search(["essex"], "AB12CDE", PURPOSE)])


async def refusal(search: SearchClient) -> str:
    try:
        await found(search)
    except Unavailable as fault:
        return fault.reason
    return ""


async def filled(store: RunningStore, clock: Clock) -> None:
    """Reads of two days, which one consumer has and another has not."""
    await store.create("essex", consumers=["nas"])
    log = await store.log("ingest")
    await log.append("essex", columns(30, at_us=clock()))
    clock.ahead_us += US_A_DAY
    await log.append("essex", columns(5, at_us=clock()))
    await (await store.log("match")).report_cursor("essex", "match", 35)


async def until_open(search: SearchClient) -> None:
    ends_at = time.monotonic() + 30
    while await refusal(search):
        assert time.monotonic() < ends_at, "search did not open"
        await asyncio.sleep(0.05)


async def test_a_read_that_was_purged_after_the_backup_is_never_found(
    start_store: StartStore, clock: Clock, mark_restored: MarkRestored
) -> None:
    before = await start_store()
    await filled(before, clock)
    assert await found(await before.search("ada", "essex")) == 35
    await before.stop()
    # The backup is of then. Meanwhile the first day was purged: nas had its reads.
    clock.ahead_us += 7 * US_A_DAY
    await mark_restored()
    store = await start_store()
    search = await store.search("ada", "essex")
    ends_at = time.monotonic() + 3
    while time.monotonic() < ends_at:
        assert await refusal(search) == "RESTORE_IN_PROGRESS"
        await asyncio.sleep(0.1)
    # Reads come and go as always, and nas gets again what the restored cursor lacks.
    await (await store.log("ingest")).append("essex", columns(4, at_us=clock()))
    await (await store.log("nas_bridge")).report_cursor("essex", "nas", 35)
    await until_open(search)
    assert await found(search) == 9
    records = [record async for record in (await store.auditor("ada", "essex")).records("essex")]
    (restored,) = [record for record in records if record.action == AUDIT_ACTION_RESTORE]
    assert (restored.person, restored.subject) == ("gantry restore", "restored to noon")
    # What was refused was not recorded: nobody saw anything.
    assert (
        len([record for record in records if record.subject == "AB12CDE" or "AB12CDE" in record.subject]) == 3
    )


async def test_a_store_that_needs_nothing_deleted_opens_by_itself_and_stays_open(
    start_store: StartStore, clock: Clock, mark_restored: MarkRestored
) -> None:
    before = await start_store()
    await filled(before, clock)
    await before.stop()
    await mark_restored()
    await until_open(await (await start_store()).search("ada", "essex"))
    again = await start_store()
    assert await refusal(await again.search("ada", "essex")) == ""


async def test_late_reads_past_their_time_keep_it_closed_too(
    start_store: StartStore, clock: Clock, mark_restored: MarkRestored
) -> None:
    before = await start_store()
    await before.create("essex", consumers=["nas"])
    await (await before.log("ingest")).append("essex", columns(3, at_us=clock() - 20 * US_A_DAY))
    await (await before.log("match")).report_cursor("essex", "match", 3)
    await before.stop()
    clock.ahead_us += 2 * US_A_DAY
    await mark_restored()
    store = await start_store()
    search = await store.search("ada", "essex")
    assert await refusal(search) == "RESTORE_IN_PROGRESS"
    await (await store.log("nas_bridge")).report_cursor("essex", "nas", 3)
    await until_open(search)
    assert await found(search) == 0
