"""The store on PostgreSQL 17, which has no casts from bytes to numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns

from chassis.database import connect
from chassis.migrations import migrate
from chassis.settings import DatabaseSettings
from suite.database import DATABASE, SERVICES, Roles, owner_role, prepare_database, runtime_role
from suite.postgres import ConnectArguments
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.following import collect
from tests.contract.store.reads import columns
from tests.other_postgres import other_postgres

pytestmark = [pytest.mark.usefixtures("two_forces"), pytest.mark.xdist_group("postgres-17")]


@pytest.fixture(scope="module")
def server_17() -> Iterator[ConnectArguments]:
    with other_postgres(17) as server:
        yield server


@pytest.fixture
async def database_settings(server_17: ConnectArguments, tmp_path: Path) -> AsyncIterator[DatabaseSettings]:
    """The schemas of all services, migrated on PostgreSQL 17."""
    superuser = server_17
    roles = Roles(tmp_path / "secrets")
    await prepare_database(lambda name: ConnectArguments(**{**superuser, "database": name}), roles)
    for service in SERVICES:
        async with connect(roles.settings(owner_role(service), superuser)) as connection:
            await migrate(connection, import_module(f"services.{service}").MIGRATIONS)
    yield roles.settings(runtime_role("store"), superuser)
    connection = await asyncpg.connect(**superuser)
    await connection.execute(f"drop database {DATABASE} with (force)")
    await connection.close()


async def test_reads_are_stored_found_again_and_compared(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.log("ingest")
    sent = columns(300, at_us=store.clock(), images=True)
    sent.latitudes_e7[:3], sent.longitudes_e7[:3] = (
        [-510_000_000, 2_147_483_647, -1],
        [-1_234_567, 2_147_483_647, 0],
    )
    again = ReadColumns.FromString(sent.SerializeToString())
    again.vrms[7] = "OTHER1"
    assert (await ingest.append("essex", sent)).last_position == 300
    answer = await ingest.append("essex", again)
    assert (len(answer.duplicate_indexes), list(answer.differing_indexes)) == (300, [7])
    match = await (await start_store()).log("match")  # it has nothing in memory
    past = await collect(match, "essex", after=0, reads=300, include_images=True)
    assert past[0].columns == sent


async def test_a_service_of_the_release_before_appends_too(store: RunningStore) -> None:
    """It calls the function that the first migration made."""
    ingest = await store.log("ingest")
    await ingest.append("essex", columns(1, at_us=store.clock()))
    requests = "1::smallint, 'essex', 5, true, '{1}', '{0}', '{t}', '{0}', '{1}', '{1}'"
    fixed = "int8send(1) || int4send(1) || int4send(-7) || int4send(8) || int2send(360::int2)"
    query = f"select head_now from append_reads({requests}, {fixed}, '{{1}}', 'r', 'AB1', null, null)"
    assert await store.rows(query, "essex") == [2]
    assert await store.rows("select latitude_e7 from reads where position = 2", "essex") == [-7]
