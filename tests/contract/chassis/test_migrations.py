"""Migrations and pools against a real PostgreSQL (fixture `database`: asyncpg's connection arguments)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from pydantic_settings import BaseSettings

from chassis import database as chassis_database
from chassis.database import finished, open_pool
from chassis.database_faults import DATABASE_TROUBLE, database_fault
from chassis.errors import StartupFailure, Unavailable
from chassis.migrations import check_migrated, migrate
from chassis.settings import DatabaseSettings, masked


class Room:
    """A package with migrations, made for one test, and the schema of its name."""

    def __init__(self, folder, name: str) -> None:
        self.name = name
        self._folder = folder / name
        (self._folder / "migrations").mkdir(parents=True)
        (self._folder / "__init__.py").touch()

    def write(self, name: str, text: str) -> None:
        (self._folder / "migrations" / name).write_text(text)


@pytest.fixture
async def connection(database) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(**database)
    yield opened
    await opened.close()


@pytest.fixture
async def room(connection, tmp_path, monkeypatch) -> AsyncIterator[Room]:
    name = f"room_{uuid.uuid4().hex[:12]}"
    monkeypatch.syspath_prepend(tmp_path)
    await connection.execute(f"create schema {name}")
    yield Room(tmp_path, name)
    await connection.execute(f"drop schema {name} cascade")
    sys.modules.pop(name, None)


@pytest.fixture
def settings(database, tmp_path) -> DatabaseSettings:
    file = tmp_path / "password"
    file.write_text(f"{database.get('password') or ''}\n")
    return DatabaseSettings(
        host=database["host"],
        port=database.get("port", 5432),
        name=database["database"],
        user=database["user"],
        password_file=file if database.get("password") else None,
        pool_size=3,
    )


async def test_migrations_are_applied_once_and_in_order(connection, room):
    room.write("0002_fill.sql", "insert into things (name) values ('one');")
    room.write("0001_things.sql", "create table things (name text); create index on things (name);")
    assert await migrate(connection, (room.name,)) == ["0001_things.sql", "0002_fill.sql"]
    assert await migrate(connection, (room.name,)) == []
    room.write("0003_more.sql", "insert into things (name) values ('two')")
    assert await migrate(connection, (room.name,)) == ["0003_more.sql"]
    assert await connection.fetchval(f"select count(*) from {room.name}.things") == 2


async def test_a_migration_that_fails_leaves_nothing_and_says_where(connection, room):
    room.write("0001_things.sql", "create table things (name text);")
    room.write(
        "0002_broken.sql", "insert into things values ('x');\n\ninsert into nowhere values ('AB12CDE');"
    )
    with pytest.raises(
        StartupFailure, match=r"0002_broken\.sql failed near line 3: UndefinedTable"
    ) as raised:
        await migrate(connection, (room.name,))
    assert "AB12CDE" not in str(raised.value)
    assert await connection.fetchval(f"select count(*) from {room.name}.things") == 0
    room.write("0002_broken.sql", "insert into things values ('x');")
    assert await migrate(connection, (room.name,)) == ["0002_broken.sql"]


async def test_an_edited_migration_is_refused(connection, room):
    room.write("0001_things.sql", "create table things (name text);")
    await migrate(connection, (room.name,))
    room.write("0001_things.sql", "create table things (name text, more text);")
    with pytest.raises(StartupFailure, match=r"0001_things\.sql of room_.* was edited after"):
        await migrate(connection, (room.name,))


async def test_a_missing_schema_is_a_sentence(connection, room):
    with pytest.raises(StartupFailure, match="Schema nowhere does not exist"):
        await migrate(connection, (room.name,), schema="nowhere")


async def test_migrators_that_start_together_take_turns(database, room):
    room.write("0001_things.sql", "create table things (name text); select pg_sleep(0.1);")
    room.write("0002_fill.sql", "insert into things (name) values ('one');")
    connections = [await asyncpg.connect(**database) for _ in range(5)]
    try:
        applied = await asyncio.gather(*(migrate(each, (room.name,)) for each in connections))
        # Whichever comes first to a migration applies it; none is applied twice or out of order.
        assert sorted(name for names in applied for name in names) == ["0001_things.sql", "0002_fill.sql"]
    finally:
        for each in connections:
            await each.close()


async def test_a_service_checks_its_schema_at_the_start(connection, settings, room):
    room.write("0001_things.sql", "create table things (name text);")
    async with open_pool(settings) as pool:
        with pytest.raises(
            StartupFailure, match=rf"lacks 0001_things\.sql; run `python -m {room.name} migrate`"
        ):
            await check_migrated(pool, (room.name,))
        await migrate(connection, (room.name,))
        await check_migrated(pool, (room.name,))
        await connection.execute(f"insert into {room.name}.schema_migrations values ('0002_newer.sql', 'x')")
        await check_migrated(pool, (room.name,))


async def test_a_pool_prepares_each_connection_and_comes_back_after_a_cut(settings, connection):
    prepared = 0

    async def init(fresh: asyncpg.Connection) -> None:
        nonlocal prepared
        prepared += 1
        await fresh.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

    async with open_pool(settings, init=init) as pool:
        assert await pool.fetchval("""select '{"a": 1}'::json""") == {"a": 1}
        with pytest.raises(asyncpg.PostgresError) as raised:
            await pool.execute("select pg_terminate_backend(pg_backend_pid())")
        fault = database_fault(raised.value)
        assert fault is not None
        assert fault.reason == "DATABASE_UNAVAILABLE"
        assert await pool.fetchval("select 1") == 1
    assert prepared == 2


async def test_a_connection_that_the_server_ends_during_use_is_an_unavailable_database(settings, connection):
    async with open_pool(settings) as pool, pool.acquire() as held:
        await connection.execute("select pg_terminate_backend($1)", held.get_server_pid())
        # What the driver raises depends on how much of the end it has read by then.
        with pytest.raises(DATABASE_TROUBLE) as raised:
            await held.execute("select 1")
    assert _reason(raised.value) == "DATABASE_UNAVAILABLE"


async def test_a_held_connection_that_has_ended_is_an_unavailable_database(settings, connection):
    async with open_pool(settings) as pool, pool.acquire() as held:
        statement = await held.prepare("select 1")
        await connection.execute("select pg_terminate_backend($1)", held.get_server_pid())
        with pytest.raises(asyncpg.InterfaceError) as raised:
            await _used_until_it_is_taken_back(held)
        assert _reason(raised.value) == "DATABASE_UNAVAILABLE"
        with pytest.raises(asyncpg.InterfaceError) as raised:
            await statement.fetch()
        assert _reason(raised.value) == "DATABASE_UNAVAILABLE"


async def _used_until_it_is_taken_back(held: asyncpg.Connection) -> None:
    """The pool takes a connection from under its user as soon as it has seen the end."""
    async with asyncio.timeout(10):
        while held.get_server_pid():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


def _reason(error: BaseException) -> str | None:
    fault = database_fault(error)
    return fault.reason if fault else None


async def test_a_pool_that_closes_during_a_call_is_an_unavailable_database(settings):
    async with open_pool(settings) as pool:
        async with pool.acquire():
            closing = asyncio.create_task(pool.close())
            await asyncio.sleep(0)
            with pytest.raises(asyncpg.InterfaceError, match="closing") as raised:
                await pool.fetchval("select 1")
        await closing
    fault = database_fault(raised.value)
    assert fault is not None
    assert fault.reason == "DATABASE_UNAVAILABLE"


@pytest.mark.parametrize("change", [{"name": "no_such_database"}, {"user": "no_such_user"}])
async def test_a_refused_connection_is_a_sentence_at_once(settings, change):
    with pytest.raises(StartupFailure, match=r"refuses .*GANTRY_DATABASE__USER"):
        async with open_pool(settings.model_copy(update=change)):
            pass


async def test_a_database_that_stays_unavailable_is_one_sentence(settings, monkeypatch, unused_tcp_port):
    monkeypatch.setattr(chassis_database, "START_SECONDS", 0.2)
    away = settings.model_copy(update={"host": "127.0.0.1", "port": unused_tcp_port})
    with pytest.raises(StartupFailure, match=r"did not answer within 0\.2 s"):
        async with open_pool(away):
            pass


async def test_a_database_that_stops_later_is_unavailable(database, settings, tmp_path):
    relay = await _relay(database)
    port = relay.sockets[0].getsockname()[1]
    async with open_pool(settings.model_copy(update={"host": "127.0.0.1", "port": port})) as pool:
        assert await pool.fetchval("select 1") == 1
        relay.close()
        await pool.expire_connections()
        with pytest.raises(Unavailable) as raised:
            await pool.fetchval("select 1")
    assert raised.value.reason == "DATABASE_UNAVAILABLE"


async def _relay(database: dict) -> asyncio.Server:
    """A TCP door to the database that a test can shut."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await _open(database)
        await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer), return_exceptions=True)

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def _open(database: dict) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = database["host"], database.get("port", 5432)
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


async def test_a_commit_outlives_the_call_that_asked_for_it(connection, settings, room):
    await connection.execute(f"create table {room.name}.done (id int)")
    inside = asyncio.Event()

    async with open_pool(settings) as pool:

        async def commit() -> None:
            async with pool.acquire() as held, held.transaction():
                inside.set()
                await held.execute("select pg_sleep(0.2)")
                await held.execute(f"insert into {room.name}.done values (1)")

        caller = asyncio.create_task(finished(commit()))
        await inside.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    assert await connection.fetchval(f"select count(*) from {room.name}.done") == 1


@pytest.mark.parametrize("text", ["create table things (name text);", "create nonsense;"])
async def test_the_migrate_verb_needs_the_database_settings_only(settings, room, tmp_path, text):
    room.write("0001_things.sql", text)
    script = tmp_path / "service.py"
    script.write_text(
        "from chassis.run import run\nfrom chassis.settings import ServiceSettings\n"
        f"run('probe', ServiceSettings, None, migrations=({room.name!r},))\n"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GANTRY_")},
        "PYTHONPATH": f"{Path.cwd()}{os.pathsep}{tmp_path}",
        **{name: value for name, value in masked(_OnlyDatabase(database=settings)).items() if value},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), "migrate", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    line = json.loads(errors.splitlines()[-1])
    worked = "table" in text
    assert process.returncode == (0 if worked else 1)
    assert line["message"] == ("schema is up to date" if worked else "cannot start")
    assert line.get("applied") == (["0001_things.sql"] if worked else None)


class _OnlyDatabase(BaseSettings):
    database: DatabaseSettings
