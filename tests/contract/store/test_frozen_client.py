"""A frozen process takes no more of an answer: its statement does not end by itself, and keeps its locks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from chassis.settings import DatabaseSettings
from services.store.retention.postgres import PostgresRetention
from tests.contract.store.conftest import RunningStore
from tests.e2e.waiting import eventually

STUCK = (
    "select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and datname = current_database()"
)
PATIENCE_SECONDS = 15.0
FREEZES = """
import asyncio, sys, time
import asyncpg

async def main(host, port, name, user, file):
    connection = await asyncpg.connect(
        host=host, port=int(port), database=name, user=user, password=open(file).read().strip())
    much = await connection.prepare("select repeat('x', 1000) from generate_series(1, 100000)")
    asking = asyncio.create_task(much.fetch())
    await asyncio.sleep(0)
    time.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def frozen_in_an_answer(settings: DatabaseSettings) -> AsyncIterator[None]:
    """A process that stands still when it has asked for much."""
    where = (settings.host, str(settings.port), settings.name, settings.user, str(settings.password_file))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", FREEZES, *where)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_retention_ends_the_statement(
    store: RunningStore, database_settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    retention = PostgresRetention(store.database.rows, store.pool)

    async def stuck(sessions: int) -> None:
        async def so_many() -> bool:
            return await store.pool.fetchval(STUCK) == sessions

        await eventually(so_many, within=PATIENCE_SECONDS, what=f"{sessions} sessions that wait")

    async with frozen_in_an_answer(database_settings):
        await stuck(1)
        # A statement that is not older than any may be is left alone.
        assert await retention.end_stuck_sessions() == 0
        monkeypatch.setattr("services.store.retention.postgres._LONGEST_STATEMENT", timedelta(0))
        assert await retention.end_stuck_sessions() == 1
        await stuck(0)
