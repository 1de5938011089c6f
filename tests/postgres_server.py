"""The PostgreSQL that tests share: one a test process, a template a service, a clone a test."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import asyncpg

from chassis.database import connect
from chassis.migrations import migrate
from chassis.settings import DatabaseSettings
from suite.database import (
    SERVICES,
    Roles,
    create_database,
    open_database,
    owner_role,
    prepare_database,
    runtime_role,
)
from suite.postgres import ConnectArguments, LocalPostgres

# As durable as the real one, only with less memory and disk for a few hundred small databases.
SMALL = {
    "shared_buffers": "128MB",
    "wal_buffers": "16MB",
    "max_wal_size": "1GB",
    "min_wal_size": "80MB",
    "autovacuum_naptime": "1d",  # many databases keep its launcher busy for nothing
}


@contextmanager
def throwaway_folder() -> Iterator[Path]:
    """A folder that another OS user can pass through, deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gantry-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class SharedServer:
    """A running server that hands out fresh databases. Not tied to an event loop."""

    def __init__(self, postgres: LocalPostgres, roles: Roles) -> None:
        self.postgres = postgres
        self.roles = roles
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()

    async def start(self) -> None:
        """Start the server and make all services' roles."""
        await self.postgres.start()
        await prepare_database(self.postgres.superuser, self.roles)

    async def empty(self) -> ConnectArguments:
        """The superuser's way into a fresh, empty database."""
        return self.postgres.superuser(await self._create("template0"))

    async def migrated(self, service: str, *, role: str | None = None) -> DatabaseSettings:
        """The runtime role's (or another `role`'s) way into a fresh clone of the service's schema."""
        database = await self._create(await self._template(service))
        await open_database(self.postgres.superuser(database))  # privileges on a database are not cloned
        return self.settings(role or runtime_role(service), database)

    def settings(self, role: str, database: str) -> DatabaseSettings:
        """How a role of ours enters one of these databases."""
        return self.roles.settings(role, self.postgres.superuser(), database=database, pool_size=10)

    async def drop(self, database: str) -> None:
        """Delete a database and end its sessions."""
        connection = await asyncpg.connect(**self.postgres.superuser())
        try:
            await connection.execute(f'drop database if exists "{database}" with (force)')
        finally:
            await connection.close()

    async def _template(self, service: str) -> str:
        name = f"template_{service}"
        if name not in self._templates:
            await self._create("template0", name)
            await open_database(self.postgres.superuser(name), SERVICES)
            async with connect(self.settings(owner_role(service), name)) as connection:
                await migrate(connection, import_module(f"services.{service}").MIGRATIONS)
            self._templates.add(name)
        return name

    async def _create(self, template: str, name: str | None = None) -> str:
        name = name or f"test_{next(self._numbers)}"
        connection = await asyncpg.connect(**self.postgres.superuser())
        try:
            await create_database(connection, name, template=template)
        finally:
            await connection.close()
        return name


@contextmanager
def shared_server() -> Iterator[SharedServer]:
    """A server for this test process, on its socket and on 127.0.0.1; nothing is left of it."""
    with throwaway_folder() as folder:
        server = SharedServer(
            LocalPostgres(folder / "postgres", listen_tcp=True, settings=SMALL), Roles(folder / "secrets")
        )
        asyncio.run(server.start())
        try:
            yield server
        finally:
            asyncio.run(server.postgres.stop(immediately=True))
            asyncio.run(server.postgres.erase())
