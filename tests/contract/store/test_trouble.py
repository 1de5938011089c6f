"""Trouble of one force is told with its cause, leaves the replica ready, and ends when its cause does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from chassis.client import open_channel
from chassis.errors import Unavailable
from clients.store import ReadLogClient
from tests.contract.store.conftest import RunningStore
from tests.contract.store.reads import columns
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.usefixtures("two_forces")

TOLD_WITHIN = 10.0


@asynccontextmanager
async def locked(store: RunningStore, table: str) -> AsyncIterator[None]:
    """Another session holds the rows of a table that it sees."""
    async with store.database.rows.transaction("kent") as connection:
        await connection.execute("select set_config('idle_in_transaction_session_timeout', '60s', true)")
        await connection.execute(f"select from {table} for no key update")
        yield


async def test_a_locked_row_of_a_force_is_told_and_forgotten(store: RunningStore) -> None:
    opened = open_channel(store.target, store.pki.issue_service("ingest"), retries=False)
    ingest = ReadLogClient(await store.opened.enter_async_context(opened))
    # So that the day's partition exists.
    await ingest.append("kent", columns(1, at_us=store.clock()))
    began = time.time()
    async with locked(store, "forces where force = 'kent'"):
        with pytest.raises(Unavailable, match="ROW_LOCKED"):
            await ingest.append("kent", columns(1, at_us=store.clock()))
        refusal = (await store.status("kent")).refusal
        assert refusal.reason == "ROW_LOCKED"
        assert "lock" in refusal.message
        assert began - 1 <= refusal.since.seconds <= time.time()
        await store.database.rows.require_writable()
        await ingest.append("essex", columns(1, at_us=store.clock()))
        assert not (await store.status("essex")).HasField("refusal")

    # Nobody appends meanwhile.
    async def forgotten() -> bool:
        return not (await store.status("kent")).HasField("refusal")

    await eventually(forgotten, within=TOLD_WITHIN, what="the end of the refusal")


async def test_readiness_fails_when_nothing_can_be_written(store: RunningStore) -> None:
    async with locked(store, "write_probe"):
        await store.database.rows.ping()
        with pytest.raises((TimeoutError, asyncpg.LockNotAvailableError)):
            async with asyncio.timeout(1):
                await store.database.rows.require_writable()
    await store.database.rows.require_writable()
