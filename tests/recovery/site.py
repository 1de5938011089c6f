"""A site without services: PostgreSQL with all schemas, pictures, certificates, and its archiver."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import pyrage

from chassis.database import connect
from chassis.migrations import migrate
from suite.backup.archive import Archive
from suite.backup.archiver import Archiver
from suite.backup.base import bases
from suite.backup.images import image_folder
from suite.backup.lsn import number_at
from suite.backup.reach import chains, complete_to
from suite.backup.restore import Restored, Wish, restore
from suite.backup.server import server_of
from suite.backup.settings import BackupSettings
from suite.certificates import Authority
from suite.database import DATABASE, SERVICES, Roles, owner_role, prepare_database
from suite.layout import Layout
from suite.postgres import LocalPostgres
from tests.postgres_server import SMALL


@dataclass
class Site:
    """A running site and its archive."""

    folder: Path
    home: Path
    postgres: LocalPostgres
    identity: pyrage.x25519.Identity

    @property
    def settings(self) -> BackupSettings:
        return BackupSettings(self.folder / "archive", (str(self.identity.to_public()),))

    @property
    def archive(self) -> Archive:
        return Archive(self.settings.archive)

    def archiver(self) -> Archiver:
        return Archiver(server_of(self.home), self.settings, self.home)

    async def run(self, statement: str, *values: object) -> Any:
        return await execute(self.postgres, statement, *values)

    def picture(self, name: str, content: bytes, *, force: str = "essex", day: str = "2026-11-27") -> Path:
        folder = image_folder(self.home, "") / force / day
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        return folder / name

    async def archived(self, bases_wanted: int = 1) -> None:
        """Have everything archived that is committed now, and so many base copies."""
        archiver = self.archiver()
        running = asyncio.create_task(archiver.run())
        try:
            now = await self.run("select clock_timestamp()")
            async with asyncio.timeout(60):
                while True:
                    reach = complete_to(self.archive) if self.archive.folder.exists() else None
                    if self._newest_is_whole(bases_wanted) and reach is not None and reach > now:
                        return
                    assert not running.done(), await running
                    await asyncio.sleep(0.05)
        finally:
            archiver.stop()
            await running

    def _newest_is_whole(self, wanted: int) -> bool:
        """Whether there are so many base copies, the newest with its WAL: a copy appears before that."""
        if not self.archive.bases.exists() or len(bases(self.archive)) < wanted:
            return False
        newest = chains(self.archive, [self.identity])[-1]
        return newest.last >= number_at(newest.base.end)

    async def restored(self, name: str = "elsewhere", **wish: Any) -> tuple[Restored, Path]:
        home = self.folder / name
        said: list[str] = []
        return await restore(Wish(self.archive.folder, [self.identity], home, **wish), said.append), home


async def until(check: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until something is so, while a task of the test works on it."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def execute(postgres: LocalPostgres, statement: str, *values: object) -> Any:
    """The first value of a statement, as the superuser."""
    declared = {"gantry.forces": "essex"}  # for functions with the rights of their owner
    connection = await asyncpg.connect(**postgres.superuser(DATABASE), server_settings=declared)
    try:
        return await connection.fetchval(statement, *values)
    finally:
        await connection.close()


@asynccontextmanager
async def running_site(
    folder: Path, settings: Mapping[str, str] = SMALL, *, listen_tcp: bool = False
) -> AsyncIterator[Site]:
    """A new site below a folder."""
    home = folder / "home"
    layout = Layout.of(home)
    layout.make()
    Authority(layout.pki).issue_service("store")
    postgres = LocalPostgres(layout.postgres, settings=settings, listen_tcp=listen_tcp)
    await postgres.start()
    try:
        roles = Roles(layout.secrets)
        await prepare_database(postgres.superuser, roles)
        for service in SERVICES:
            async with connect(roles.settings(owner_role(service), postgres.superuser())) as connection:
                await migrate(connection, import_module(f"services.{service}").MIGRATIONS)
        yield Site(folder, home, postgres, pyrage.x25519.Identity.generate())
    finally:
        await postgres.stop(immediately=True)


@asynccontextmanager
async def database_of(home: Path) -> AsyncIterator[LocalPostgres]:
    """The database of a site that was restored."""
    postgres = LocalPostgres(Layout.of(home).postgres, settings=SMALL)
    await postgres.start()
    try:
        yield postgres
    finally:
        await postgres.stop(immediately=True)
