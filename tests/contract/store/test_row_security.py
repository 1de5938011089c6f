"""The database itself keeps forces apart and the trail whole, whatever the service does."""

from __future__ import annotations

import asyncpg
import pytest
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_IMPORT_HOTLIST
from gantry.common.v1.purpose_pb2 import Purpose

from chassis.database import connect
from chassis.settings import DatabaseSettings
from clients.audit import AuditClient
from suite.database import owner_role
from tests.contract.store.conftest import RunningStore
from tests.contract.store.reads import columns
from tests.postgres_server import SharedServer

TABLES = ("reads", "appends", "canaries", "cameras", "audit_chains", "audit_records")
PURPOSE = Purpose(justification="a test")
DECLARE_FORCES = "select set_config('gantry.forces', $1, true)"
COPY_TO_ANOTHER_FORCE = """
insert into reads select (jsonb_populate_record(r, '{"read_id": "x", "force_no": 2}')).* from reads r
"""
CANARY_OF_ANOTHER_FORCE = "insert into canaries values (2, 1, 'x')"
RECORD_FOR_ANOTHER_FORCE = """
insert into audit_records
select (jsonb_populate_record(r, '{"number": 99, "force": "kent"}')).* from audit_records r
"""
CHAIN_OF_ANOTHER_FORCE = "insert into audit_chains (force) values ('surrey')"
FORBIDDEN = (
    "select count(*) from reads_f1",
    "select count(*) from reads_f1_older",
    "update reads set vrm = 'X'",
    "delete from reads",
    "truncate reads",
    "drop table reads_f1",
    "delete from appends",
    "update appends set canary = null",
    "delete from canaries",
    "update canaries set read_id = 'x'",
    "update forces set purged_to = 0",
    "update forces set state = 1, retired_at = null",
    "update forces set name = 'x'",
    "insert into forces (force_no, force, name, request_id) values (9, 'x', 'x', gen_random_uuid())",
    "delete from forces",
    "insert into force_settings (force_no) values (1)",
    "update force_settings set south = null",
    "delete from force_settings",
    "delete from consumers",
    "update directory set revision = 0",
    "update audit_records set subject = 'x'",
    "delete from audit_records",
    "truncate audit_records",
    "update audit_chains set force = 'x'",
    "delete from audit_chains",
    "alter table reads disable row level security",
    "create table mine (n int)",
    "insert into purges (force_no) values (1)",
    "delete from purges",
    "delete from days",
    "set role gantry_store_owner",
)
CHANGES_OF_THE_TRAIL = (
    "update audit_records set subject = 'x'",
    "delete from audit_records",
    "truncate audit_records",
)


@pytest.fixture
async def filled(store: RunningStore) -> RunningStore:
    """A store with reads and audit records of two forces."""
    await store.create("essex", "kent")
    ingest = await store.log("ingest")
    match = AuditClient(await store.channel_of_service("match"))
    for force, size in (("essex", 3), ("kent", 5)):
        await ingest.append(force, columns(size, at_us=store.clock()))
        await ingest.append(force, columns(1, at_us=store.clock()), canary=True)
        await match.record(force, "pat", AUDIT_ACTION_IMPORT_HOTLIST, PURPOSE, "a list")
    return store


async def refused(store: RunningStore, forces: str, statement: str) -> None:
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute(DECLARE_FORCES, forces)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def count(connection: asyncpg.Connection, table: str, forces: str | None) -> int:
    async with connection.transaction():
        if forces is not None:
            await connection.execute(DECLARE_FORCES, forces)
        return await connection.fetchval(f"select count(*) from {table}")


async def test_rows_show_only_for_forces_that_are_declared(filled: RunningStore) -> None:
    async with filled.pool.acquire() as connection:
        for table in TABLES:
            assert await count(connection, table, None) == 0
            essex, kent = [await count(connection, table, force) for force in ("essex", "kent")]
            assert essex
            assert kent
            assert await count(connection, table, "essex,kent") == essex + kent
            # A declaration ends with its transaction.
            assert await count(connection, table, None) == 0
            assert await count(connection, table, "sussex") == 0


async def test_a_row_of_a_force_that_is_not_declared_cannot_be_written(filled: RunningStore) -> None:
    for statement in (
        COPY_TO_ANOTHER_FORCE,
        CANARY_OF_ANOTHER_FORCE,
        RECORD_FOR_ANOTHER_FORCE,
        CHAIN_OF_ANOTHER_FORCE,
    ):
        await refused(filled, "essex", statement)


async def test_the_service_cannot_do_what_it_need_not(filled: RunningStore) -> None:
    for statement in FORBIDDEN:
        await refused(filled, "essex,kent", statement)


async def test_even_the_owner_does_not_change_the_trail(
    filled: RunningStore, postgres_server: SharedServer, database_settings: DatabaseSettings
) -> None:
    owner = postgres_server.settings(owner_role("store"), database_settings.name)
    async with connect(owner) as connection, connection.transaction():
        await connection.execute(DECLARE_FORCES, "essex,kent")
        for statement in CHANGES_OF_THE_TRAIL:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute(statement)
        assert await connection.fetchval("select count(*) from audit_records") == 4
