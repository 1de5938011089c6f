"""The rows of forces: one request creates one force, and a retired force stays retired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import in_forces, open_pool
from chassis.errors import AlreadyExists, NotFound
from chassis.settings import DatabaseSettings
from services.store.forces.force import Force, NewForce
from services.store.forces.postgres import PostgresForces


@pytest.fixture
async def pool(database_settings: DatabaseSettings) -> AsyncIterator[asyncpg.Pool]:
    async with open_pool(database_settings) as pool:
        yield pool


@pytest.fixture
def forces(pool: asyncpg.Pool) -> PostgresForces:
    return PostgresForces(pool)


def new(code: str, *consumers: str, name: str = "", request_id: UUID | None = None) -> NewForce:
    return NewForce(code, name or code, ("match", *consumers), request_id or uuid4())


async def consumers_of(pool: asyncpg.Pool, code: str) -> list[tuple[str, int]]:
    async with in_forces(pool, code) as connection:
        rows = await connection.fetch(
            "select consumer, position from store.consumers join store.forces using (force_no)"
            " where force = $1 and store.consumers.retired_at is null order by consumer",
            code,
        )
    return [(row["consumer"], row["position"]) for row in rows]


async def test_a_force_begins_with_its_consumers(forces: PostgresForces, pool: asyncpg.Pool) -> None:
    created = await forces.create(new("essex", "nas", "nadc", name="Essex Police"))
    assert (created.code, created.name, created.retired_at) == ("essex", "Essex Police", None)
    assert await consumers_of(pool, "essex") == [("match", 0), ("nadc", 0), ("nas", 0)]


async def test_a_request_that_is_repeated_creates_once(forces: PostgresForces) -> None:
    first = new("essex", name="Essex Police")
    created = await asyncio.gather(*(forces.create(first) for _ in range(5)))
    assert {force.created_at for force in created} == {created[0].created_at}
    directory = await forces.directory()
    assert (directory.revision, directory.forces) == (1, [created[0]])


async def test_of_several_requests_for_one_code_one_creates(forces: PostgresForces) -> None:
    outcomes = await asyncio.gather(
        *(forces.create(new("essex", name=f"name {n}")) for n in range(6)), return_exceptions=True
    )
    made = [each for each in outcomes if isinstance(each, Force)]
    refused = [each for each in outcomes if isinstance(each, AlreadyExists)]
    assert ([each.reason for each in refused], len(made)) == (["FORCE_EXISTS"] * 5, 1)
    assert (await forces.directory()).forces == made


async def test_a_request_id_creates_one_force_alone(forces: PostgresForces, pool: asyncpg.Pool) -> None:
    first = new("essex")
    await forces.create(first)
    with pytest.raises(AlreadyExists, match="REQUEST_ID_REUSED"):
        await forces.create(new("kent", request_id=first.request_id))
    assert [force.code for force in (await forces.directory()).forces] == ["essex"]
    assert await pool.fetchval("select count(*) from pg_tables where tablename like 'reads_f%'") == 2


async def test_a_force_is_retired_once_and_its_code_is_not_free_again(forces: PostgresForces) -> None:
    await forces.create(first := new("essex"))
    retired = await forces.retire("essex")
    assert retired.retired_at is not None
    revision = await forces.revision()
    assert await forces.retire("essex") == retired
    assert await forces.revision() == revision
    with pytest.raises(AlreadyExists, match="FORCE_EXISTS"):
        await forces.create(new("essex"))
    assert await forces.create(first) == retired


async def test_a_force_that_does_not_exist_cannot_be_retired(forces: PostgresForces) -> None:
    with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
        await forces.retire("essex")
    assert await forces.revision() == 0


async def test_each_change_counts_and_the_directory_is_of_one_revision(forces: PostgresForces) -> None:
    assert ((await forces.directory()).revision, (await forces.directory()).forces) == (0, [])
    for revision, code in enumerate(("kent", "essex", "surrey"), 1):
        await forces.create(new(code))
        assert await forces.revision() == revision
    await forces.retire("kent")
    directory = await forces.directory()
    assert directory.revision == 4
    assert [(force.code, force.retired_at is None) for force in directory.forces] == [
        ("essex", True),
        ("kent", False),
        ("surrey", True),
    ]


async def test_the_service_cannot_bring_a_retired_force_back(
    forces: PostgresForces, pool: asyncpg.Pool
) -> None:
    await forces.create(new("essex"))
    await forces.retire("essex")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("update store.forces set state = 1, retired_at = null")
