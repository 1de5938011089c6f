"""What every schema has: declared forces with row-level security, a clock that can be set, page keys."""

from __future__ import annotations

import datetime as dt

import asyncpg
import pytest

from chassis.database import in_forces
from chassis.errors import StartupFailure
from chassis.migrations import check_migrated, migrate
from chassis.pages import PageTokens

SHARED = ("chassis",)


@pytest.fixture
async def pool(database):
    """A role without rights of its own, in a migrated schema with a protected table."""
    async with asyncpg.create_pool(**database, min_size=1, max_size=2) as superuser:
        async with superuser.acquire() as connection:
            await connection.execute("create schema shared")
            await migrate(connection, SHARED, schema="shared")
            await connection.execute(
                "create table shared.things (force text, name text not null);"
                "call protect('things');"
                "grant usage on schema shared to public;"
                "grant select, insert on shared.things to public"
            )

        async def become_nobody(connection: asyncpg.Connection) -> None:
            await connection.execute("set role pg_monitor; set search_path to shared")

        async with asyncpg.create_pool(**database, min_size=0, max_size=2, setup=become_nobody) as pool:
            yield pool


async def test_a_transaction_sees_the_forces_that_it_declares_and_no_others(pool):
    for force in ("essex", "kent", "met"):
        async with in_forces(pool, force) as connection:
            await connection.execute("insert into things values ($1, 'one')", force)
    async with in_forces(pool, ["kent", "essex"], readonly=True) as connection:
        rows = await connection.fetch("select force from things order by force")
    assert [row["force"] for row in rows] == ["essex", "kent"]
    assert await pool.fetch("select * from things") == []
    async with in_forces(pool, []) as connection:
        assert await connection.fetch("select * from things") == []


async def test_a_row_of_a_force_that_is_not_declared_cannot_be_written(pool):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with in_forces(pool, "essex") as connection:
            await connection.execute("insert into things values ('kent', 'x')")


async def test_the_declaration_ends_with_the_transaction_on_the_same_connection(pool):
    async with pool.acquire() as connection:
        async with in_forces(connection, "essex", isolation="serializable") as same:
            assert same is connection
            assert await same.fetchval("show transaction_isolation") == "serializable"
            await same.execute("insert into things values ('essex', 'x')")
        assert await connection.fetch("select * from things") == []


async def test_a_failure_undoes_the_transaction(pool):
    with pytest.raises(asyncpg.NotNullViolationError):
        async with in_forces(pool, "essex") as connection:
            await connection.execute("insert into things values ('essex', 'x'), ('essex', null)")
    async with in_forces(pool, "essex") as connection:
        assert await connection.fetch("select * from things") == []


async def test_one_code_cannot_declare_two_forces(pool):
    with pytest.raises(ValueError, match="comma"):
        async with in_forces(pool, "essex,kent"):
            pass


async def test_the_clock_of_sql_can_be_set(pool):
    async with pool.acquire() as connection:
        assert abs(await connection.fetchval("select present()") - dt.datetime.now(dt.UTC)) < dt.timedelta(
            minutes=1
        )
        await connection.execute("set gantry.present = '2031-05-01T00:00:00Z'")
        assert await connection.fetchval("select present()") == dt.datetime(2031, 5, 1, tzinfo=dt.UTC)


async def test_replicas_share_the_keys_of_page_tokens(pool):
    one, other = await PageTokens.open(pool), await PageTokens.open(pool)
    assert one._keys == other._keys
    assert len(one._keys[0]) == 32
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("insert into page_keys (key) values ($1)", b"k" * 32)


async def test_without_a_key_the_start_fails(pool, database):
    connection = await asyncpg.connect(**database)
    await connection.execute("delete from shared.page_keys")
    await connection.close()
    with pytest.raises(StartupFailure, match="page_keys is empty"):
        await PageTokens.open(pool)


async def test_a_schema_without_the_shared_migrations_is_refused(pool):
    await check_migrated(pool, SHARED, schema="shared")
    with pytest.raises(StartupFailure, match=r"lacks chassis/0001_forces_clock_pages\.sql"):
        await check_migrated(pool, ("chassis", "services.store"), schema="elsewhere")
