"""A database is taken back by others, here a copy of its disk: what was taken back since stays so."""

import asyncio
import json
import stat
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import grpc
import pytest
from typer.testing import CliRunner

from chassis.errors import fault_from
from cli.exits import Exit
from cli.main import app
from suite.layout import Layout
from suite.postgres import LocalPostgres
from suite.suite import Suite, erase
from tests.e2e.door import ReadMaker, enrol
from tests.e2e.hotlists import import_plates
from tests.e2e.machine import settings_in
from tests.e2e.outcome import alerts_of, log_of, matched
from tests.e2e.waiting import eventually
from tests.postgres_server import throwaway_folder
from tests.recovery.test_restore import FORCE, SEEN, WITHDRAWN, new_token, send

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("restore")]
runner = CliRunner()


@asynccontextmanager
async def database_alone(home: Path) -> AsyncIterator[LocalPostgres]:
    """The database of a suite without its services."""
    postgres = LocalPostgres(Layout.of(home).postgres)
    await postgres.start()
    try:
        yield postgres
    finally:
        await postgres.stop()


async def database(postgres: LocalPostgres, folder: Path, *words: str) -> tuple[int, str]:
    """Run a verb of `gantry database` as the superuser; its exit code and what it says."""
    (folder / "username").write_text("postgres\n")
    (folder / "password").write_text("not asked for\n")
    files = ("--user-file", folder / "username", "--password-file", folder / "password")
    given = ("database", *words, "--host", postgres.home.sockets, "--port", 5432, *files)
    done = await asyncio.to_thread(runner.invoke, app, list(map(str, given)))
    return done.exit_code, done.stdout + done.stderr


def copied(source: Path, target: Path) -> None:
    """Copy a data folder with its owner and modes."""
    subprocess.run(["cp", "-a", source, target], check=True)


async def test_a_database_of_an_earlier_time_is_told_what_stood(tmp_path: Path) -> None:
    with throwaway_folder() as folder:
        settings = settings_in(folder, (FORCE,))
        data = LocalPostgres(Layout.of(settings.folder).postgres).home.data
        async with Suite(settings) as suite:
            feed = await enrol(suite, FORCE, "gateway")
            reads = ReadMaker(feed, "before")
            await import_plates(suite, FORCE, [WITHDRAWN])
            assert await send(suite, feed, reads, WITHDRAWN) == ""
            await eventually(lambda: alerts_of(suite, FORCE), within=30, what="an alert")
        copied(data, folder / "earlier")
        standing = tmp_path / "standing.json"
        async with Suite(settings) as suite:
            newer = await new_token(suite, feed)
            await import_plates(suite, FORCE, ["ZZ99ZZZ"])
            assert await send(suite, newer, reads, SEEN) == ""
            code, said = await database(suite.postgres, tmp_path, "standing", "--to", str(standing))
            assert code == Exit.OK, said
            code, said = await database(suite.postgres, tmp_path, "restored", "--standing", str(standing))
            assert (code, "gantry_ingest, gantry_match" in said) == (Exit.FAILED, True), said
        assert stat.S_IMODE(standing.stat().st_mode) == 0o600
        assert WITHDRAWN not in standing.read_text()

        data.rename(folder / "later")
        (folder / "earlier").rename(data)
        async with database_alone(settings.folder) as postgres:
            code, said = await database(postgres, tmp_path, "restored", "--standing", str(standing), "--json")
            assert code == Exit.OK, said
            assert json.loads(said)["replayed"]["hotlists_without_entries"] == [f"{FORCE}/e2e"]
            assert json.loads(said)["replayed"]["tokens"] == 1
        async with Suite(settings) as suite:
            await eventually(lambda: opened(suite), within=60, what="search and alerts")
            assert [entry.vrm for entry in await log_of(suite, FORCE)] == [WITHDRAWN]
            assert await send(suite, feed, reads, SEEN) == "TOKEN_UNKNOWN"
            assert await send(suite, newer, reads, WITHDRAWN) == ""
            await eventually(lambda: matched(suite, FORCE), within=30, what="matching")
            assert len(await alerts_of(suite, FORCE)) == 1, "only the one from before"
        await erase(settings.folder)


async def opened(suite: Suite) -> bool:
    try:
        await alerts_of(suite, FORCE)
    except grpc.aio.AioRpcError as error:
        if fault_from(error).reason == "RESTORE_IN_PROGRESS":
            return False
        raise
    return True


async def test_the_newest_state_is_closed_too(tmp_path: Path) -> None:
    with throwaway_folder() as folder:
        settings = settings_in(folder, (FORCE,))
        async with Suite(settings):
            pass
        async with database_alone(settings.folder) as postgres:
            code, said = await database(postgres, tmp_path, "restored", "--newest")
            assert code == Exit.OK, said
            connection = await asyncpg.connect(**postgres.superuser("gantry"))
            try:
                for schema in ("store", "match"):
                    assert await connection.fetchval(f"select count(*) from {schema}.restoration") == 1
            finally:
                await connection.close()
        await erase(settings.folder)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what stood: --standing FILE, or --newest"),
        (("--newest", "--standing", "x"), "say what stood: --standing FILE, or --newest"),
        (("--standing", "{}"), "it is not what `gantry database standing` writes"),
        (("--standing", "[1"), "it is not what `gantry database standing` writes"),
    ],
)
async def test_a_wrong_word_is_named(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    given = tmp_path / "given.json"
    if words[:1] == ("--standing",):
        given.write_text(words[1])
        words = ("--standing", str(given))
    code, told = await database(LocalPostgres(tmp_path / "postgres"), tmp_path, "restored", *words)
    assert code == Exit.USAGE
    assert said in told
