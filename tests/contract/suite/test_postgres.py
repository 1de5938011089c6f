"""A real server: made, stopped, killed and started again without losing a commit."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from suite.errors import SuiteError
from suite.logfile import lines_from
from suite.postgres import LocalPostgres
from tests.postgres_server import SMALL, throwaway_folder

DEADLINE = 20.0


@pytest.fixture
async def postgres() -> AsyncIterator[LocalPostgres]:
    with throwaway_folder() as folder:
        server = LocalPostgres(folder / "postgres", settings=SMALL)
        await server.start()
        yield server
        await server.stop(immediately=True)


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not await check():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def execute(server: LocalPostgres, statement: str) -> object:
    connection = await asyncpg.connect(**server.superuser())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def answers(server: LocalPostgres) -> bool:
    try:
        return await execute(server, "select 1") == 1
    except (OSError, asyncpg.PostgresError):
        return False


async def test_commits_survive_a_killed_postmaster(postgres: LocalPostgres) -> None:
    await execute(postgres, "create table kept (number int)")
    await execute(postgres, "insert into kept values (7)")
    await postgres.crash()
    await postgres.start()
    assert await execute(postgres, "select number from kept") == 7


async def test_supervision_brings_it_back_as_often_as_it_is_killed(postgres: LocalPostgres) -> None:
    supervision = asyncio.create_task(postgres.supervise())
    for _ in range(7):
        before = postgres.pid
        await postgres.crash()

        async def back(before: int | None = before) -> bool:
            return postgres.pid not in (None, before) and await answers(postgres)

        await eventually(back)
    await postgres.stop()
    await asyncio.wait_for(supervision, DEADLINE)


async def test_a_recovery_that_it_does_by_itself_is_told(postgres: LocalPostgres) -> None:
    sentences: list[str] = []
    postgres._say = sentences.append
    supervision = asyncio.create_task(postgres.supervise())
    before = postgres.pid
    begins = postgres.home.log.stat().st_size
    connection = await asyncpg.connect(**postgres.superuser())
    os.kill(connection.get_server_pid(), signal.SIGKILL)
    connection.terminate()
    log = postgres.home.log
    await eventually(lambda: _says(log, begins))
    log.write_text(log.read_text().replace("ready to accept", "nearly"))  # as if it were not done yet
    await eventually(lambda: _said(sentences, "recovers from a crash"))
    assert postgres.trouble() != ""
    with log.open("a") as file:
        file.write("LOG:  database system is ready to accept connections\n")
    await eventually(lambda: _said(sentences, "PostgreSQL serves again"))
    assert (postgres.trouble(), postgres.pid) == ("", before)
    await postgres.stop(immediately=True)
    await asyncio.wait_for(supervision, DEADLINE)


async def _says(log: Path, begins: int) -> bool:
    return "ready to accept" in lines_from(log, begins)


async def _said(sentences: list[str], words: str) -> bool:
    return any(words in sentence for sentence in sentences)


async def test_it_is_durable_and_says_nothing_about_data(postgres: LocalPostgres) -> None:
    wanted = {"fsync": "on", "synchronous_commit": "on", "jit": "off", "data_checksums": "on"}
    assert {name: await execute(postgres, f"show {name}") for name in wanted} == wanted
    with pytest.raises(asyncpg.PostgresError):
        await execute(postgres, "select 'AB12CDE'::int")
    await execute(postgres, "create table plates (vrm text primary key)")
    await execute(postgres, "insert into plates values ('AB12CDE')")
    with pytest.raises(asyncpg.UniqueViolationError):
        await execute(postgres, "insert into plates values ('AB12CDE')")
    assert "AB12CDE" not in postgres.home.log.read_text()


async def test_only_its_own_os_user_may_be_superuser(postgres: LocalPostgres) -> None:
    assert stat.S_IMODE(postgres.home.sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE(postgres.home.data.stat().st_mode) == 0o700
    assert postgres.superuser()["user"] in (postgres.home.data / "pg_hba.conf").read_text()


async def test_superuser_is_refused_over_tcp() -> None:
    with throwaway_folder() as folder:
        server = LocalPostgres(folder / "postgres", listen_tcp=True, settings=SMALL)
        await server.start()
        try:
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                await asyncpg.connect(
                    host="127.0.0.1", port=server.port, user="postgres", database="postgres"
                )
        finally:
            await server.stop(immediately=True)


async def test_a_second_owner_of_the_folder_is_refused(postgres: LocalPostgres) -> None:
    second = LocalPostgres(postgres.home.base, settings=SMALL)
    with pytest.raises(SuiteError, match="in use by another running suite"):
        await second.start()
    assert await answers(postgres)


async def test_a_recycled_process_number_does_not_stop_the_start(postgres: LocalPostgres) -> None:
    await postgres.crash()
    file = postgres.home.data / "postmaster.pid"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    await postgres.start()
    assert await answers(postgres)


async def test_a_broken_configuration_is_explained(tmp_path: Path) -> None:
    with throwaway_folder() as folder:
        server = LocalPostgres(folder / "postgres", settings={"shared_buffers": "much"})
        with pytest.raises(SuiteError, match=r"(?s)did not start.*shared_buffers"):
            await server.start()


OWNER = """
import asyncio, pathlib, sys
from suite.logfile import lines_from
from suite.postgres import LocalPostgres
from tests.postgres_server import SMALL

async def main():
    server = LocalPostgres(pathlib.Path(sys.argv[1]), settings=SMALL)
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_it_ends_with_a_killed_owner_and_the_next_owner_takes_over() -> None:
    with throwaway_folder() as folder:
        command = [sys.executable, "-c", OWNER, folder / "postgres"]
        owner = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220 - one short line
        with owner:
            assert owner.stdout is not None
            orphan = int(owner.stdout.readline())
            owner.send_signal(signal.SIGKILL)
        server = LocalPostgres(folder / "postgres", settings=SMALL)
        await server.start()
        try:
            assert await answers(server)
            assert server.pid != orphan
        finally:
            await server.stop(immediately=True)
