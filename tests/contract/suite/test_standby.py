"""A synchronous standby has every commit, and services find it by themselves after its promotion."""

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from chassis.database import open_pool
from chassis.errors import Unavailable
from chassis.settings import DatabaseSettings
from suite.errors import SuiteError
from suite.postgres import LocalPostgres
from suite.standby import Standby
from tests.postgres_server import SMALL, throwaway_folder


@pytest.fixture
async def pair() -> AsyncIterator[tuple[LocalPostgres, Standby]]:
    with throwaway_folder() as folder:
        primary = LocalPostgres(folder / "primary", settings=SMALL)
        standby = Standby(folder / "standby", primary, settings=SMALL, say=lambda _: None)
        try:
            await primary.start()
            await standby.start()
            yield primary, standby
        finally:
            await primary.stop(immediately=True)
            await standby.postgres.stop(immediately=True)


async def test_a_commit_is_on_both_and_the_promoted_one_goes_on(pair: tuple[LocalPostgres, Standby]) -> None:
    primary, standby = pair
    hosts = f"{primary.host},{standby.postgres.host}"
    settings = DatabaseSettings(host=hosts, name="postgres", user="postgres", pool_size=5)
    async with open_pool(settings) as pool:
        assert not await pool.fetchval("select pg_is_in_recovery()")
        await pool.execute("create table kept (number int)")
        for number in range(50):
            await pool.execute("insert into kept values ($1)", number)
        await primary.lose()
        # A standby that was not promoted takes no writes, so it is none of the hosts that are used.
        with pytest.raises((Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await pool.fetchval("select 1")
        with pytest.raises(Unavailable):
            await pool.fetchval("select 1")
        await standby.promote()
        await eventually_takes_writes(pool)
        assert await pool.fetchval("select count(distinct number) from kept") == 51


async def eventually_takes_writes(pool: asyncpg.Pool) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            await pool.execute("insert into kept values (50)")
        except (Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        else:
            return


async def test_commits_wait_for_the_standby(pair: tuple[LocalPostgres, Standby]) -> None:
    primary, standby = pair
    connection = await asyncpg.connect(**primary.superuser())
    await connection.execute("create table kept (number int)")
    await standby.postgres.stop(immediately=True)
    with pytest.raises(TimeoutError):
        await connection.execute("insert into kept values (1)", timeout=2)
    await connection.close(timeout=5)


async def test_a_standby_that_cannot_be_copied_has_a_sentence() -> None:
    with throwaway_folder() as folder:
        primary = LocalPostgres(folder / "primary", settings=SMALL)
        standby = Standby(folder / "standby", primary, settings=SMALL, say=lambda _: None)
        with pytest.raises(SuiteError, match="could not be copied"):
            await standby.start()
