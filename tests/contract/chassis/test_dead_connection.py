"""A loop whose database connection dies: it goes on after the outage, and a stop ends it at once."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from chassis.backoff import Backoff
from chassis.database import in_forces, open_pool
from chassis.loops import repeat
from chassis.migrations import migrate
from chassis.settings import DatabaseSettings
from chassis.transient import is_transient

STOP_SECONDS = 3.0


class Wire:
    """A proxy in front of PostgreSQL's socket that can cut its connections, or fall silent with them open."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._writers: list[asyncio.StreamWriter] = []
        self._flowing = asyncio.Event()
        self._flowing.set()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def silence(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._socket)
        self._writers += [writer, far_writer]
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def superuser(database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**database)
    await connection.execute("create schema shared; grant usage on schema shared to public")
    await migrate(connection, ("chassis",), schema="shared")
    yield connection
    await connection.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """The path of a socket is short."""
    with tempfile.TemporaryDirectory(prefix="wire-") as made:
        yield Path(made)


@pytest.fixture
async def wire(superuser, database, folder) -> AsyncIterator[Wire]:
    name = f".s.PGSQL.{database['port']}"
    made = Wire(Path(database["host"]) / name)
    server = await asyncio.start_unix_server(made.serve, folder / name)
    yield made
    made.cut()
    server.close()


@pytest.fixture
def settings(database, wire, folder, tmp_path) -> DatabaseSettings:
    file = tmp_path / "password"
    file.write_text(database.get("password") or "")
    return DatabaseSettings(
        host=str(folder),
        port=database["port"],
        name=database["database"],
        user=database["user"],
        password_file=file,
        pool_size=1,
    )


@pytest.fixture
async def pool(settings) -> AsyncIterator[asyncpg.Pool]:
    async with open_pool(settings) as opened:
        yield opened


async def _ended_in_time(task: asyncio.Task[None]) -> None:
    began = time.monotonic()
    task.cancel()
    await asyncio.wait([task], timeout=STOP_SECONDS)
    assert task.done(), "the loop did not end when it was told to"
    assert task.cancelled()
    assert time.monotonic() - began < STOP_SECONDS


def _loop(work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    return asyncio.create_task(repeat(work, name="work", every=0.01, backoff=Backoff(0.01, 0.05)))


async def _kill(superuser: asyncpg.Connection) -> int:
    return await superuser.fetchval(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )


async def test_it_goes_on_after_its_connection_was_ended(pool, superuser, until):
    runs = 0

    async def work() -> None:
        nonlocal runs
        async with in_forces(pool, "essex") as connection:
            await connection.fetchval("select pg_sleep(0.01)")
        runs += 1

    task = _loop(work)
    for _ in range(3):
        before = runs
        await until(lambda before=before: runs > before + 2)
        assert await _kill(superuser) > 0
    before = runs
    await until(lambda: runs > before + 2)
    await _ended_in_time(task)


@pytest.mark.parametrize("how", ["ended by the server", "cut"])
async def test_a_stop_takes_precedence_when_the_connection_dies_at_the_same_time(
    pool, superuser, wire, until, how
):
    for _ in range(5):
        working = asyncio.Event()

        async def work(working: asyncio.Event = working) -> None:
            async with in_forces(pool, "essex") as connection:
                working.set()
                await connection.execute("select pg_sleep(30)")

        task = _loop(work)
        await asyncio.wait_for(working.wait(), 10)
        if how == "cut":
            wire.cut()
        else:
            await _kill(superuser)
        await _ended_in_time(task)


async def test_a_stop_ends_the_loop_when_the_connection_is_silent(pool, wire):
    working = asyncio.Event()

    async def work() -> None:
        async with in_forces(pool, "essex") as connection:
            working.set()
            await connection.execute("select pg_sleep(0.05)")
            wire.silence()
            await connection.execute("select 1")

    task = _loop(work)
    await asyncio.wait_for(working.wait(), 10)
    await asyncio.sleep(0.2)
    await _ended_in_time(task)
    wire.cut()


async def test_a_stop_ends_the_loop_while_it_releases_a_dead_connection(pool, superuser):
    """The error of the broken connection replaces the CancelledError that was on its way."""
    holding = asyncio.Event()

    async def work() -> None:
        async with in_forces(pool, "essex"):
            await _kill(superuser)
            holding.set()
            await asyncio.Event().wait()

    task = _loop(work)
    await asyncio.wait_for(holding.wait(), 10)
    await _ended_in_time(task)


async def test_a_stop_wins_during_an_outage(pool, superuser, wire, caplog):
    async def work() -> None:
        wire.cut()
        async with in_forces(pool, "essex"):
            wire.cut()

    task = _loop(work)
    await asyncio.sleep(0.3)
    await _ended_in_time(task)
    assert len([record for record in caplog.records if record.getMessage() == "work failed"]) == 1


async def test_a_process_that_is_frozen_in_a_transaction_does_not_keep_its_locks(
    pool, wire, superuser, monkeypatch
):
    monkeypatch.setattr("chassis.database.MOST_IDLE", "200ms")
    await superuser.execute(
        "create table shared.things (thing text); insert into shared.things values ('one')"
    )
    lock = "select from shared.things for update"

    async def frozen_while_it_holds_a_lock() -> None:
        async with in_forces(pool, "essex") as connection:
            await connection.execute(lock)
            wire.silence()
            async with asyncio.timeout(STOP_SECONDS):
                await superuser.execute("update shared.things set thing = 'another'")
            wire.resume()
            await connection.execute(lock)

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
        await frozen_while_it_holds_a_lock()
    assert is_transient(caught.value)
    assert await pool.fetchval("select thing from shared.things") == "another"
