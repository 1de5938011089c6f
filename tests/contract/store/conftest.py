"""A real store on a real database, in this process, with a clock that tests may move."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import grpc
import pytest
from gantry.store.v1.buffer_pb2 import GetBufferStatusResponse

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.server import grpc_server
from chassis.settings import DatabaseSettings
from clients.audit import AuditClient
from clients.forces import ForceClient
from clients.search import SearchClient
from clients.store import BufferClient, ReadLogClient
from services.store.assembly import Database, access_rules, assemble, open_database, own_auditor
from services.store.forces.force import ALWAYS_REGISTERED, NewForce
from services.store.forces.postgres import PostgresForces
from services.store.settings import BufferSettings, StoreSettings
from suite.certificates import Authority


class Clock:
    """Microseconds since 1970: the real time, plus what a test adds."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def __call__(self) -> int:
        return time.time_ns() // 1000 + self.ahead_us


@dataclass
class RunningStore:
    """A store's server, and its parts."""

    target: str
    pki: Authority
    pool: asyncpg.Pool
    database: Database
    images: Path
    clock: Clock
    stop: Callable[[], Awaitable[None]]
    opened: AsyncExitStack = field(repr=False)

    async def channel_of_service(self, name: str) -> grpc.aio.Channel:
        return await self.opened.enter_async_context(open_channel(self.target, self.pki.issue_service(name)))

    async def channel_of_person(self, name: str, *forces: str) -> grpc.aio.Channel:
        tls = self.pki.issue_person(name, forces)
        return await self.opened.enter_async_context(open_channel(self.target, tls))

    async def create(self, *forces: str, consumers: Sequence[str] = ()) -> None:
        """Create forces, as an administrator does."""
        admin = ForceClient(await self.channel_of_person("administrator", *forces))
        for force in forces:
            await admin.create(force, consumers=consumers)

    async def log(self, service: str) -> ReadLogClient:
        """The log for a service."""
        return ReadLogClient(await self.channel_of_service(service))

    async def search(self, name: str, *forces: str) -> SearchClient:
        """The search for a person."""
        return SearchClient(await self.channel_of_person(name, *forces))

    async def buffer(self, name: str, *forces: str) -> BufferClient:
        """The state of the buffer for a person."""
        return BufferClient(await self.channel_of_person(name, *forces))

    async def status(self, force: str) -> GetBufferStatusResponse:
        """The state of a force's buffer."""
        return await BufferClient(await self.channel_of_service("match")).status(force)

    async def auditor(self, name: str, *forces: str) -> AuditClient:
        """The audit trail for a person."""
        return AuditClient(await self.channel_of_person(name, *forces))

    async def rows(self, query: str, *forces: str) -> list[object]:
        """The first column of a query, in a transaction that sees these forces."""
        async with self.database.rows.transaction(forces) as connection:
            return [row[0] for row in await connection.fetch(query)]


StartStore = Callable[..., Awaitable[RunningStore]]


@pytest.fixture
def clock() -> Clock:
    """The clock of the stores of a test."""
    return Clock()


@pytest.fixture
async def database_settings(
    service_database: Callable[[str], Awaitable[DatabaseSettings]],
) -> DatabaseSettings:
    """The database of the stores of a test, as the service enters it."""
    return await service_database("store")


@pytest.fixture
async def two_forces(database_settings: DatabaseSettings) -> None:
    """Essex and Kent, with the one consumer that every force has."""
    async with open_pool(database_settings) as pool:
        for force in ("essex", "kent"):
            await PostgresForces(pool).create(NewForce(force, force, ALWAYS_REGISTERED, uuid4()))


@pytest.fixture
async def start_store(
    database_settings: DatabaseSettings, pki: Authority, tmp_path: Path, clock: Clock
) -> AsyncIterator[StartStore]:
    """Start stores; those of one test share database, images and clock, like replicas."""
    async with AsyncExitStack() as opened:

        async def start(
            *, before_commit: Callable[[], Awaitable[None]] | None = None, **buffer: object
        ) -> RunningStore:
            settings = StoreSettings(
                tls=pki.issue_service("store"),
                database=database_settings,
                store=BufferSettings(**({"images": f"file://{tmp_path}/images"} | buffer)),
            )
            return await opened.enter_async_context(
                _running(settings, pki, clock, before_commit, tmp_path / "images")
            )

        yield start


@pytest.fixture
async def store(start_store: StartStore) -> RunningStore:
    """One store with the usual settings."""
    return await start_store()


@asynccontextmanager
async def _running(
    settings: StoreSettings,
    pki: Authority,
    clock: Clock,
    before_commit: Callable[[], Awaitable[None]] | None,
    images: Path,
) -> AsyncIterator[RunningStore]:
    async with (
        open_pool(settings.database) as pool,
        open_database(settings, pool, clock, before_commit) as database,
        grpc_server(
            settings, access_rules(), auditor=own_auditor(database), restoration=database.restoration
        ) as server,
        AsyncExitStack() as opened,
    ):
        await database.restoration.subject()
        await assemble(server, settings, database, clock)
        await server.start()
        target = f"127.0.0.1:{server.ports['grpc']}"
        yield RunningStore(target, pki, pool, database, images, clock, server.stop, opened)
