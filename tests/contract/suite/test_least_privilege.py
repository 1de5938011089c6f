"""Each role of each service on the schema of a release: what it can do to others, and what to forces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from uuid import NAMESPACE_DNS, uuid5

import asyncpg
import pytest

from chassis.database import connect, open_pool
from chassis.migrations import migrate
from services.match.hotlists.postgres import PostgresHotlists
from services.store.forces.force import NewForce
from services.store.forces.postgres import PostgresForces
from services.store.partitions.postgres import PostgresPartitions
from services.store.postgres import ForceRows
from suite.database import RUNTIME_SESSIONS, SERVICES, owner_role, prepare_database, runtime_role
from tests.postgres_server import SharedServer

TODAY = datetime.now(UTC).date()
NAME = "least_privilege"
ROLES = [role(service) for service in SERVICES for role in (runtime_role, owner_role)]
FORBIDDEN_TO_ALL = (
    "create temp table mine (n int)",
    "create table public.mine (n int)",
    "create schema mine",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'x')",
    "select lo_put(1, 0, 'x')",
    "select pg_try_advisory_lock(1)",
    "select pg_advisory_lock(1, 1)",
    "select pg_advisory_xact_lock(1)",
    "select pg_try_advisory_xact_lock(1)",
    "select pg_advisory_lock_shared(1)",
    "create database mine",
    "create role mine",
    "alter role postgres connection limit 1",
    "copy (select 1) to program 'true'",
    "select pg_read_file('postgresql.conf')",
    "select pg_terminate_backend(pg_backend_pid()) from pg_shadow",
)
FORBIDDEN_TO_RUNTIME = (
    "select pg_advisory_lock(1)",
    "create table mine (n int)",
    "create function mine() returns int language sql as 'select 1'",
    "truncate schema_migrations",
    "insert into schema_migrations (name, sha256) values ('x', 'x')",
    "insert into page_keys (key) values ('x')",
)
# Tables with a column for the force, and all partitions of such a table or of one with row-level security.
UNPROTECTED = """
with recursive forced as (
    select c.oid from pg_class c
    where c.relkind in ('r', 'p') and c.relnamespace = $1::regnamespace
        and (c.relrowsecurity or exists (
            select from pg_attribute a
            where a.attrelid = c.oid and a.attname in ('force', 'force_no') and not a.attisdropped))
    union
    select i.inhrelid from forced join pg_inherits i on i.inhparent = forced.oid
)
select c.relname from forced join pg_class c using (oid)
where not (c.relrowsecurity and c.relforcerowsecurity)
"""
TABLES_WITH_A_FORCE = """
select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relkind in ('r', 'p') and c.relnamespace = $1::regnamespace and a.attname in ('force', 'force_no')
    and not a.attisdropped
"""
PARTITIONS = """
select count(*) from pg_class where relispartition and relkind <> 'i' and relnamespace = $1::regnamespace
"""
# The directory of forces is the same for all of them.
DIRECTORY = {"forces", "force_settings"}
DEFINERS = """
select p.proname, p.proconfig, has_function_privilege('public', p.oid, 'execute') as public
from pg_proc p where p.prosecdef and p.pronamespace = $1::regnamespace
"""


@pytest.fixture(scope="module")
def released(postgres_server: SharedServer) -> Iterator[str]:
    """A database with the schemas of all services, and two forces in the store."""
    asyncio.run(_release(postgres_server))
    yield NAME
    asyncio.run(postgres_server.drop(NAME))


async def _release(server: SharedServer) -> None:
    await prepare_database(server.postgres.superuser, server.roles, database=NAME)
    for service in SERVICES:
        async with connect(server.settings(owner_role(service), NAME)) as owner:
            await migrate(owner, import_module(f"services.{service}").MIGRATIONS)
    async with open_pool(server.settings(runtime_role("store"), NAME)) as pool:
        for force in ("essex", "kent"):
            request = uuid5(NAMESPACE_DNS, force)
            await PostgresForces(pool).create(NewForce(force, force, ("match", "nas"), request))
            await PostgresPartitions(ForceRows(pool), pool, _now_us, 7).make_for(force, {TODAY: 1})
    async with (
        open_pool(server.settings(runtime_role("match"), NAME)) as pool,
        PostgresHotlists(pool, "match").begin("essex") as load,
    ):
        await load.seal(datetime.now(UTC))


@pytest.mark.parametrize("role", ROLES)
async def test_what_belongs_to_the_whole_database_is_refused(
    postgres_server: SharedServer, released: str, role: str
) -> None:
    forbidden = FORBIDDEN_TO_ALL + (() if role.endswith("_owner") else FORBIDDEN_TO_RUNTIME)
    async with connect(postgres_server.settings(role, released)) as connection:
        for statement in forbidden:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_enters_the_schema_of_another_service(
    postgres_server: SharedServer, released: str, role: str
) -> None:
    own = next(service for service in SERVICES if role in {runtime_role(service), owner_role(service)})
    async with connect(postgres_server.settings(role, released)) as connection:
        assert await connection.fetchval("select current_schemas(false)") == [own]
        for service in SERVICES:
            entered = await connection.fetchval("select has_schema_privilege($1, 'usage')", service)
            assert entered == (service == own)
            makes = await connection.fetchval("select has_schema_privilege($1, 'create')", service)
            assert makes == (role == owner_role(own) and service == own)
            for other in (runtime_role(service), owner_role(service)):
                assert other == role or await _refused(connection, f"set role {other}")
        tables = await connection.fetch(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = any ($1)",
            [service for service in SERVICES if service != own],
        )
        assert len(tables) > 30
        for (table,) in tables:
            assert await _refused(connection, f"select from {table}")


async def test_a_service_takes_no_more_than_its_sessions(
    postgres_server: SharedServer, released: str
) -> None:
    connection = await asyncpg.connect(**postgres_server.postgres.superuser(released))
    try:
        limits = dict(
            await connection.fetch(
                "select rolname, rolconnlimit from pg_roles where rolname = any ($1)", ROLES
            )
        )
        most = int(await connection.fetchval("show max_connections"))
        kept = int(await connection.fetchval("show superuser_reserved_connections"))
    finally:
        await connection.close()
    assert limits.keys() == set(ROLES)
    assert limits[runtime_role("store")] == RUNTIME_SESSIONS
    assert min(limits.values()) > 0
    assert sum(limits.values()) <= most - kept


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_with_a_force_has_row_level_security(
    postgres_server: SharedServer, released: str, service: str
) -> None:
    """Enabled, and forced on the owner too; the partitions of such a table as well."""
    connection = await asyncpg.connect(**postgres_server.postgres.superuser(released))
    try:
        with_force = {row[0] for row in await connection.fetch(TABLES_WITH_A_FORCE, service)}
        assert len(with_force) > 3
        partitions = await connection.fetchval(PARTITIONS, service)
        assert partitions >= {"store": 6, "match": 1}.get(service, 0)
        assert [row[0] for row in await connection.fetch(UNPROTECTED, service)] == []
    finally:
        await connection.close()
    for role in (runtime_role(service), owner_role(service)):
        async with connect(postgres_server.settings(role, released)) as undeclared:
            for table in with_force - DIRECTORY:
                if await undeclared.fetchval("select has_table_privilege($1, 'select')", table):
                    assert await undeclared.fetch(f"select from {table} limit 1") == [], table


@pytest.mark.parametrize("service", SERVICES)
async def test_functions_with_the_rights_of_their_owner_are_closed(
    postgres_server: SharedServer, released: str, service: str
) -> None:
    """Nobody else calls them, and nobody chooses the schema in which they look up names."""
    connection = await asyncpg.connect(**postgres_server.postgres.superuser(released))
    try:
        for name, settings, public in await connection.fetch(DEFINERS, service):
            paths = [each for each in settings or () if each.startswith("search_path=")]
            assert paths == [f"search_path={service}, pg_temp"], name
            assert not public, name
    finally:
        await connection.close()


async def test_a_change_of_a_force_that_is_not_declared_is_refused(
    postgres_server: SharedServer, released: str
) -> None:
    """Essex has the number 1."""
    settings = postgres_server.settings(runtime_role("store"), released)
    async with connect(settings) as connection, connection.transaction():
        await connection.execute("select set_config('gantry.forces', 'kent', true)")
        for statement in (
            "update forces set head = 5 where force = 'essex'",
            "update consumers set position = 5 where force_no = 1",
        ):
            assert await connection.execute(statement) == "UPDATE 0"
        assert len(await connection.fetch("select from consumers")) == 2
        assert await _refused(connection, "insert into consumers (force_no, consumer) values (1, 'x')")


def _now_us() -> int:
    return time.time_ns() // 1000


async def _refused(connection: asyncpg.Connection, statement: str) -> bool:
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False
