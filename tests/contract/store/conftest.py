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

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.server import grpc_server
from chassis.settings import DatabaseSettings
from clients.audit import AuditClient
from clients.search import SearchClient
from clients.store import BufferClient, ReadLogClient
from policy.access import rules
from services.store.assembly import SERVICES, Database, assemble, auditor, open_database
from services.store.consumers.postgres import PostgresConsumers
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
    """A store's door, and what is behind it."""

    target: str
    pki: Authority
    database: Database
    images: Path
    clock: Clock
    stop: Callable[[], Awaitable[None]]
    opened: AsyncExitStack = field(repr=False)

    @property
    def pool(self) -> asyncpg.Pool:
        return self.database.pool

    async def create(self, *forces: str, consumers: Sequence[str] = ()) -> None:
        """Create forces with the consumers that every force has, and with these."""
        rows = PostgresForces(self.pool)
        for force in forces:
            await rows.create(NewForce(force, force, (*ALWAYS_REGISTERED, *consumers), uuid4()))

    async def registered(self, force: str) -> list[str]:
        """The registered consumers of a force."""
        consumers = PostgresConsumers(self.database.rows, self.pool)
        return [each.consumer for each in await consumers.of(force)]

    async def channel_of_service(self, name: str) -> grpc.aio.Channel:
        return await self.opened.enter_async_context(open_channel(self.target, self.pki.issue_service(name)))

    async def channel_of_person(self, name: str, *forces: str) -> grpc.aio.Channel:
        tls = self.pki.issue_person(name, forces)
        return await self.opened.enter_async_context(open_channel(self.target, tls))

    async def log(self, service: str) -> ReadLogClient:
        """The log for a service."""
        return ReadLogClient(await self.channel_of_service(service))

    async def buffer(self, service: str) -> BufferClient:
        """The state of the buffer for a service."""
        return BufferClient(await self.channel_of_service(service))

    async def search(self, name: str, *forces: str) -> SearchClient:
        """Search for a person."""
        return SearchClient(await self.channel_of_person(name, *forces))

    async def auditor(self, name: str, *forces: str) -> AuditClient:
        """The audit trail for a person."""
        return AuditClient(await self.channel_of_person(name, *forces))


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
                store=BufferSettings(images=f"file://{tmp_path}/images", **buffer),
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
        grpc_server(settings, rules(*SERVICES), auditor=auditor(database, clock)) as server,
        AsyncExitStack() as opened,
    ):
        await assemble(server, settings, database, clock)
        await server.start()
        target = f"127.0.0.1:{server.ports['grpc']}"
        yield RunningStore(target, pki, database, images, clock, server.stop, opened)
