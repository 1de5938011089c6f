"""PostgreSQL on a full disk is started again for as long as it takes, and comes back when there is room."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from suite.errors import SuiteError
from suite.postgres import LocalPostgres
from tests.postgres_server import SMALL, throwaway_folder

DEADLINE = 60.0
MIB = 1 << 20


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with throwaway_folder() as folder:
        mounting = ("mount", "-t", "tmpfs", "-o", "size=200m,mode=0755", "tmpfs", str(folder))
        try:
            mounted = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
        except OSError:
            mounted = False
        if not mounted:
            pytest.skip("mounting a small file system needs privileges")
        try:
            yield folder
        finally:
            subprocess.run(("umount", "-l", str(folder)), capture_output=True, check=True)


def fill(folder: Path, name: str) -> Path:
    """Take all the room that is left."""
    ballast = folder / name
    with ballast.open("wb", buffering=0) as file:
        for size in (MIB, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


async def execute(server: LocalPostgres, statement: str) -> object:
    connection = await asyncpg.connect(**server.superuser())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def said(sentences: list[str], words: str, times: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while sum(words in sentence for sentence in sentences) < times:
        assert time.monotonic() < deadline, sentences
        await asyncio.sleep(0.05)


async def test_it_waits_for_room_and_comes_back_with_all_commits(small_disk: Path) -> None:
    sentences: list[str] = []
    server = LocalPostgres(small_disk / "postgres", settings=SMALL, say=sentences.append)
    await server.start()
    supervision = asyncio.create_task(server.supervise())
    try:
        await execute(server, "create table kept (number int)")
        await execute(server, "insert into kept values (7)")
        ballast = fill(small_disk, "ballast")
        await server.crash()
        # The file it must write first finds no room, as its log would after a while.
        (server.home.data / "postmaster.pid").unlink()
        crumbs = fill(small_disk, "crumbs")
        await said(sentences, "is full", times=3)
        assert not supervision.done()
        assert "make room there" in server.trouble()
        ballast.unlink()
        crumbs.unlink()
        deadline = time.monotonic() + DEADLINE
        while server.trouble() or not await answers(server):
            assert time.monotonic() < deadline, sentences
            await asyncio.sleep(0.05)
        assert await execute(server, "select number from kept") == 7
    finally:
        await server.stop(immediately=True)
        await asyncio.wait_for(supervision, DEADLINE)


async def answers(server: LocalPostgres) -> bool:
    try:
        return await execute(server, "select 1") == 1
    except (OSError, asyncpg.PostgresError):
        return False


async def test_a_start_on_a_full_disk_says_so(small_disk: Path) -> None:
    server = LocalPostgres(small_disk / "postgres", settings=SMALL)
    await server.start()
    await server.stop(immediately=True)
    (server.home.data / "postmaster.pid").unlink(missing_ok=True)
    fill(small_disk, "ballast")
    with pytest.raises(SuiteError, match=r"the disk of .* is full .*: make room there"):
        await server.start()
