"""Backups of a PostgreSQL that others run and that takes TLS only, with the programs of the system."""

import asyncio
import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import pyrage
import pytest
import yaml

from chassis.database import connect
from chassis.migrations import migrate
from chassis.settings import TlsSettings
from deploy.validate.build import OVERLAYS
from suite.backup.archive import Archive
from suite.backup.archiver import Archiver
from suite.backup.base import DATA, bases, file_of, make_base
from suite.backup.copy import unpack
from suite.backup.reach import complete_to
from suite.backup.restore import Wish, restore
from suite.backup.server import Server, server_elsewhere
from suite.backup.settings import BackupSettings
from suite.backup.verify import verify
from suite.certificates import Authority
from suite.database import DATABASE, SERVICES, Roles, owner_role, prepare_database
from suite.errors import SuiteError
from suite.layout import Layout
from suite.postgres import ConnectArguments
from suite.postgres_configuration import SUPERUSER
from tests.other_postgres import binaries, other_postgres
from tests.postgres_server import SMALL, SharedServer, throwaway_folder
from tests.recovery.site import database_of, execute, running_site, until

pytestmark = pytest.mark.timeout(300)
ONLY_TLS = "hostssl all all all trust\nhostssl replication all all trust\n"
RECEIVES = "select ssl from pg_stat_replication join pg_stat_ssl using (pid)"
WAYS = {
    "archiver": ["-m", "suite.backup"],
    "command": ["-c", "from cli.start import main; main()", "backup", "create"],
}
SITE = pyrage.x25519.Identity.generate()


def programs(major: int) -> Path:
    """The folder of that version's programs. Skips the test when they only run a server."""
    found = binaries(major)
    if not (found / "pg_receivewal").exists():
        pytest.skip(f"{found} has no pg_receivewal; Debian's postgresql-client-{major} has it")
    return found


@pytest.fixture(params=[15, 17, 18])
def major(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def tls(pki: Authority) -> TlsSettings:
    return pki.issue_service("database")


@pytest.fixture
def secured(major: int, tls: TlsSettings) -> Iterator[ConnectArguments]:
    """A server that takes TLS only, also from its superuser."""
    programs(major)
    with other_postgres(major, tls=tls, rules=ONLY_TLS) as found:
        yield found


@pytest.fixture
def server(secured: ConnectArguments, major: int, tls: TlsSettings, tmp_path: Path) -> Server:
    return server_elsewhere(
        tmp_path,
        host="localhost",
        port=secured["port"],
        user=SUPERUSER,
        password_file=None,
        authority=tls.authority,
        programs=programs(major),
    )


async def test_a_base_copy_is_made_through_tls(server: Server, tmp_path: Path) -> None:
    """Version 15 has no services; its copy shows what the programs of the system do."""
    server = dataclasses.replace(server, database="postgres")
    archive = Archive(tmp_path / "archive")
    archive.make()
    made = await make_base(server, archive, [SITE.to_public()], home=tmp_path)
    assert unpack(file_of(archive, made, DATA), None, [SITE]), "its manifest names the log that it needs"
    async with server.connected() as connection:
        assert await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")


async def test_the_command_makes_a_base_copy_through_tls(
    server: Server, secured: ConnectArguments, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(**secured)
    await connection.execute(f"create database {DATABASE}")
    await connection.close()
    Layout.of(tmp_path).images.mkdir()
    words = ["--home", tmp_path, "--host", server.host, "--port", server.port, "--user", server.user]
    words += ["--authority", server.authority, "--programs", server.binaries]
    done = await asyncio.to_thread(run_way, "command", tmp_path / "archive", *words)
    assert done.returncode == 0, done.stderr
    assert len(bases(Archive(tmp_path / "archive"))) == 1


def run_way(way: str, archive: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The archiver or `gantry backup create` as a process of its own."""
    return subprocess.run(
        [sys.executable, *WAYS[way], *map(str, words)],
        env={
            **os.environ,
            "GANTRY_BACKUP_ARCHIVE": str(archive),
            "GANTRY_BACKUP_RECIPIENTS": str(SITE.to_public()),
        },
        capture_output=True,
        text=True,
        check=False,
    )


async def test_neither_we_nor_the_programs_take_another_server(server: Server, tmp_path: Path) -> None:
    impostor = Authority(tmp_path / "impostor").certificate
    for change, ours, theirs in (
        ({"authority": impostor}, f"is not of the authority {impostor}", "certificate verify failed"),
        ({"host": "127.0.0.2"}, "has a certificate for other names", "does not match host name"),
    ):
        changed = dataclasses.replace(server, database="postgres", **change)  # type: ignore[arg-type]
        with pytest.raises(SuiteError, match=ours):
            async with changed.connected():
                pass
        done = await asyncio.to_thread(copied, changed)
        assert done.returncode != 0
        assert not done.stdout
        assert theirs in done.stderr


def copied(server: Server) -> subprocess.CompletedProcess[str]:
    """What pg_basebackup alone makes of the way to a server."""
    words = ["--pgdata=-", "--format=tar", "--wal-method=fetch", "--no-password"]
    program = [server.program("pg_basebackup"), *words]
    return subprocess.run(program, env=server.environment(), capture_output=True, text=True, check=False)


async def test_the_log_is_archived_through_tls(
    server: Server, secured: ConnectArguments, major: int, tmp_path: Path
) -> None:
    if major < 17:
        pytest.skip("the services need PostgreSQL 17")
    await make_site(secured, tmp_path / "secrets")
    Layout.of(tmp_path).images.mkdir()
    settings = BackupSettings(tmp_path / "archive", (str(SITE.to_public()),))
    archiver = Archiver(server, settings, tmp_path)
    running = asyncio.create_task(archiver.run())
    await until(lambda: archiver.archive.bases.exists() and bases(archiver.archive))
    await until(lambda: archiver.state.complete_to is not None)
    async with server.connected() as connection:
        ways = await connection.fetch(RECEIVES)
    archiver.stop()
    await running
    assert [way["ssl"] for way in ways] == [True], "pg_receivewal too"
    assert archiver.state.failing == ""
    assert verify(archiver.archive, 7, [SITE]).wrong == []


async def make_site(server: ConnectArguments, secrets: Path) -> None:
    """The database of the services."""
    roles = Roles(secrets)

    def superuser(database: str = "postgres") -> ConnectArguments:
        return ConnectArguments(**{**server, "database": database})

    await prepare_database(superuser, roles)
    for service in SERVICES:
        settings = roles.settings(owner_role(service), superuser(DATABASE))
        async with connect(settings) as connection:
            await migrate(connection, import_module(f"services.{service}").MIGRATIONS)


async def test_programs_of_another_version_copy_nothing(
    postgres_server: SharedServer, tmp_path: Path
) -> None:
    way_in = postgres_server.postgres.superuser()
    server = Server(
        str(way_in["host"]), int(way_in["port"]), SUPERUSER, older_programs(tmp_path), database="postgres"
    )
    archive = Archive(tmp_path / "archive")
    archive.make()
    said = r"is version 18, and the programs in .* are version 16: give --programs FOLDER"
    with pytest.raises(SuiteError, match=said):
        await make_base(server, archive, [SITE.to_public()], home=tmp_path)
    assert not archive.base_folders()


def older_programs(folder: Path) -> Path:
    """A pg_basebackup that says that it is of version 16, and copies nothing."""
    made = folder / "pg_basebackup"
    made.write_text("#!/bin/sh\necho 'pg_basebackup (PostgreSQL) 16.4 (Debian 16.4-1)'\n")
    made.chmod(0o755)
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_a_host_on_a_network_is_refused_before_anything_is_made(way: str) -> None:
    with throwaway_folder() as folder:
        done = run_way(way, folder / "archive", "--home", folder / "home", "--host", "db1.example")
        assert done.returncode != 0
        assert "must not travel in clear: give --authority FILE" in done.stdout + done.stderr
        assert not (folder / "archive").exists()


async def test_the_archiver_of_one_node_enters_by_the_socket() -> None:
    """As the overlay starts it, by the rules that the overlay gives to PostgreSQL."""
    with throwaway_folder() as folder:
        rules = folder / "pg_hba.conf"
        overlay = in_overlay("ConfigMap")
        rules.write_text(f"local all {SUPERUSER} peer map=suite\n{overlay['pg_hba.conf']}")
        rules.chmod(0o644)
        (folder / "archiver").mkdir()
        password, archive = folder / "password", folder / "archive"
        password.write_text("only for this test\n")
        async with running_site(folder, {**SMALL, **compression(overlay), "hba_file": str(rules)}) as site:
            await site.run("create role backup superuser login password 'only for this test'")
            await site.run("select store.make_force('essex', 'Essex', gen_random_uuid(), array['match'])")
            places = {
                "/var/lib/gantry/archiver": str(folder / "archiver"),
                "/var/run/postgresql": str(site.postgres.home.sockets),
                "/etc/gantry/superuser/password": str(password),
                "0.0.0.0:7003": "127.0.0.1:0",
            }
            container = in_overlay("Deployment")["template"]["spec"]["containers"][0]
            words = [moved(word, places) for word in container["args"]]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *container["command"][1:], *words, "--user", "backup"),
                env={
                    **os.environ,
                    "GANTRY_BACKUP_ARCHIVE": str(archive),
                    "GANTRY_BACKUP_RECIPIENTS": str(SITE.to_public()),
                    "GANTRY_STORE__IMAGES": site.home.joinpath("images").as_uri(),
                },
            )
            try:
                await until(lambda: Archive(archive).bases.exists() and bases(Archive(archive)))
                await until(lambda: complete_to(Archive(archive)) is not None)
            finally:
                process.terminate()
            assert await process.wait() == 0
            assert verify(Archive(archive), 7, [SITE]).wrong == []
        await restore(Wish(archive, [SITE], folder / "elsewhere"), [].append)
        async with database_of(folder / "elsewhere") as database:
            assert await execute(database, "select count(*) from store.forces") == 1


def in_overlay(kind: str) -> dict[str, Any]:
    """What the overlay for one node says of PostgreSQL's configuration, or of the archiver."""
    files = {"ConfigMap": ("database.yaml", "data"), "Deployment": ("archiver.yaml", "spec")}
    file, field = files[kind]
    objects = yaml.safe_load_all((OVERLAYS / "onprem" / file).read_text(encoding="utf-8"))
    found: dict[str, Any] = next(each[field] for each in objects if each["kind"] == kind)
    return found


def compression(overlay: Mapping[str, str]) -> dict[str, str]:
    """How the overlay has the log compressed: our PostgreSQL has to know it, or cannot replay the log."""
    found = re.search(r"^wal_compression = '(\w+)'$", overlay["postgresql.conf"], re.MULTILINE)
    assert found
    return {"wal_compression": found[1]}


def moved(word: str, places: Mapping[str, str]) -> str:
    """An argument with the places of this test."""
    name, _, value = word.partition("=")
    return f"{name}={places[value]}"
