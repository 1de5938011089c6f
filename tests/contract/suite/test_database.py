"""Roles can do their own work in their own schema, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from chassis.database import connect
from chassis.settings import DatabaseSettings
from suite.database import SERVICES, Roles, owner_role, prepare_database, runtime_role
from suite.postgres import ConnectArguments, LocalPostgres
from tests.postgres_server import SMALL, SharedServer, throwaway_folder

ServiceDatabase = Callable[[str], Awaitable[DatabaseSettings]]


@pytest.fixture
async def opened(postgres_server: SharedServer, database: ConnectArguments) -> str:
    """A fresh database with the services' schemas, still empty."""
    name = database["database"]
    await prepare_database(postgres_server.postgres.superuser, postgres_server.roles, database=name)
    return name


async def refused(connection: asyncpg.Connection, statement: str) -> bool:
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


async def test_owner_makes_and_runtime_uses_what_it_was_granted(
    postgres_server: SharedServer, opened: str
) -> None:
    async with connect(postgres_server.settings(owner_role("store"), opened)) as owner:
        await owner.execute("create table facts (number int); grant select on facts to gantry_store")
    async with connect(postgres_server.settings(runtime_role("store"), opened)) as runtime:
        assert await runtime.fetchval("select current_schema()") == "store"
        assert await runtime.fetch("select number from facts") == []
        assert await refused(runtime, "insert into facts values (1)")
        assert await refused(runtime, "create table store.more (number int)")
        assert await refused(runtime, "create table public.more (number int)")
        assert await refused(runtime, "create temp table more (number int)")


async def test_services_do_not_see_each_other(postgres_server: SharedServer, opened: str) -> None:
    async with connect(postgres_server.settings(owner_role("match"), opened)) as owner:
        await owner.execute("create table secret (number int); grant select on secret to public")
    for role in (runtime_role("store"), owner_role("store")):
        async with connect(postgres_server.settings(role, opened)) as other:
            assert await refused(other, "select * from match.secret")
            assert await refused(other, "set role gantry_match_owner")


async def test_only_admitted_databases_can_be_entered(
    postgres_server: SharedServer, database: ConnectArguments
) -> None:
    name = database["database"]
    connection = await asyncpg.connect(**database)
    await connection.execute(f'revoke connect on database "{name}" from public')
    await connection.close()
    settings = postgres_server.settings(runtime_role("store"), name)
    assert settings.password_file is not None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            database=name,
            password=settings.password_file.read_text().strip(),
        )


async def test_wrong_password_is_refused(postgres_server: SharedServer, opened: str) -> None:
    server = postgres_server.postgres
    for host in (server.host, "127.0.0.1"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host=host, port=server.port, user="gantry_store", database=opened, password="guess"
            )


async def test_repeating_changes_nothing_and_lost_secrets_are_healed() -> None:
    with throwaway_folder() as folder:
        server = LocalPostgres(folder / "postgres", settings=SMALL)
        roles = Roles(folder / "secrets")
        await server.start()
        try:
            await prepare_database(server.superuser, roles)
            before = {service: roles.password_file(runtime_role(service)).read_text() for service in SERVICES}
            await prepare_database(server.superuser, roles)
            after = {service: roles.password_file(runtime_role(service)).read_text() for service in SERVICES}
            assert before == after
            roles.password_file("gantry_store").unlink()
            await prepare_database(server.superuser, roles)
            async with connect(roles.settings("gantry_store", server.superuser())) as connection:
                assert await connection.fetchval("select current_user") == "gantry_store"
        finally:
            await server.stop(immediately=True)


def test_passwords_are_private(postgres_server: SharedServer) -> None:
    files = [postgres_server.roles.password_file(runtime_role(service)) for service in SERVICES]
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    assert len({Path(file).read_text() for file in files}) == len(files)


async def test_databases_can_be_made_at_the_same_time(postgres_server: SharedServer) -> None:
    made = await asyncio.gather(*(postgres_server.empty() for _ in range(4)))
    assert len({each["database"] for each in made}) == 4
    await asyncio.gather(*(postgres_server.drop(each["database"]) for each in made))
