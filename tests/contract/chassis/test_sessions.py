"""The limits of sessions: a process that is frozen or gone keeps nothing for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from chassis.database import allow_long_statements, connect, open_pool
from chassis.migrations import migrate
from chassis.sessions import OF_MIGRATIONS, OF_SERVICES
from chassis.settings import DatabaseSettings
from chassis.transient import is_transient

LIMITS = "select name, setting from pg_settings where name = any ($1)"
WITHOUT_LIMIT = {"0", ""}
SOCKETS_ONLY = "tcp_"


@pytest.fixture
def settings(database, tmp_path) -> DatabaseSettings:
    file = tmp_path / "password"
    file.write_text("")
    return DatabaseSettings(
        host=database["host"],
        port=database["port"],
        name=database["database"],
        user=database["user"],
        password_file=file,
        pool_size=2,
    )


@pytest.fixture
async def pool(settings) -> AsyncIterator[asyncpg.Pool]:
    async with open_pool(settings) as opened:
        yield opened


async def test_every_session_of_a_pool_has_every_limit(pool):
    for _ in range(2):
        async with pool.acquire() as connection:
            limits = dict(await connection.fetch(LIMITS, [*OF_SERVICES]))
            assert limits.keys() == OF_SERVICES.keys()
            # On a socket of the file system PostgreSQL shows no TCP settings.
            without = {name for name, value in limits.items() if value in WITHOUT_LIMIT}
            assert all(name.startswith(SOCKETS_ONLY) for name in without)
            # What a caller has changed does not outlast the use of the connection.
            await connection.execute("set statement_timeout = 0; set lock_timeout = 0")


async def test_a_statement_ends_and_bulk_loads_may_last_longer(pool):
    async with pool.acquire() as connection:
        await connection.execute("set statement_timeout = '100ms'")
        with pytest.raises(asyncpg.QueryCanceledError) as caught:
            await connection.execute("select pg_sleep(5)")
        assert is_transient(caught.value)
        await allow_long_statements(connection, 30)
        await connection.execute("select pg_sleep(0.3)")
    async with pool.acquire() as connection:
        assert await connection.fetchval("show statement_timeout") == "65s"


async def test_a_lock_that_is_not_released_is_given_up(pool, database):
    holder = await asyncpg.connect(**database)
    try:
        await holder.execute("create table things (thing text)")
        async with holder.transaction(), pool.acquire() as connection:
            await holder.execute("lock table things")
            await connection.execute("set lock_timeout = '100ms'")
            with pytest.raises(asyncpg.LockNotAvailableError) as caught:
                await connection.fetch("select * from things")
            assert is_transient(caught.value)
    finally:
        await holder.close()


async def test_a_frozen_migrator_does_not_keep_others_out(settings, database, monkeypatch):
    """It stops in the middle of a migration. Its session ends, with the lock, and another migrates."""
    monkeypatch.setattr(
        "chassis.database.OF_MIGRATIONS", {**OF_MIGRATIONS, "idle_in_transaction_session_timeout": "300ms"}
    )
    superuser = await asyncpg.connect(**database)
    await superuser.execute("create schema shared")
    await superuser.close()
    async with connect(settings) as first, connect(settings) as second:
        await first.execute("set search_path = shared")
        await first.execute("create table if not exists schema_migrations (name text, sha256 text)")
        frozen = first.transaction()
        await frozen.start()
        await first.execute("lock table schema_migrations in share row exclusive mode")
        began = time.monotonic()
        async with asyncio.timeout(10):
            assert await migrate(second, ("chassis",), schema="shared")
        assert time.monotonic() - began < 5
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await first.fetchval("select 1")
