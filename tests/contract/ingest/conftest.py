"""A real store process, an ingest in this process, a real PostgreSQL. Each test has a force of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
import grpc
import pytest
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.ingest.v1 import cameras_pb2
from gantry_sdk import Backoff, Connection

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.settings import DatabaseSettings, TelemetrySettings
from clients.forces import ForceClient
from clients.ingest import CameraClient
from clients.store import ReadLogClient
from reads.appended import Appended, appends_of
from services.ingest.assembly import Ingest, open_ingest
from services.ingest.settings import IngestSection, IngestSettings
from suite.certificates import Authority
from suite.ports import HeldPorts
from suite.postgres import ConnectArguments
from suite.processes import Command, Process
from tests.postgres_server import SharedServer

_forces = itertools.count(1)


async def eventually(check: Callable[[], object], seconds: float = 15.0) -> None:
    """Poll until `check` is true, asserting that it becomes so in time."""
    deadline = time.monotonic() + seconds
    while True:
        outcome = check()
        if isinstance(outcome, Awaitable):
            outcome = await outcome
        if outcome:
            return
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


@dataclass
class StoreProcess:
    """The store, which tests stop, freeze and kill."""

    process: Process
    target: str
    pki: Authority
    superuser: ConnectArguments

    @asynccontextmanager
    async def locked(self, force: str) -> AsyncIterator[None]:
        """Hold the lock that every append of a force needs."""
        connection = await asyncpg.connect(**self.superuser)
        try:
            async with connection.transaction():
                await connection.execute("select from store.forces where force = $1 for update", force)
                yield
        finally:
            await connection.close()

    async def appends(self, force: str) -> list[Appended]:
        """The whole log of a force, as a consumer gets it."""
        found: list[Appended] = []
        async with open_channel(self.target, self.pki.issue_service("match")) as channel:
            async for response in ReadLogClient(channel).follow(force, "match", after=0, include_images=True):
                found += appends_of(response)
                if response.position >= response.head:
                    return found
        raise AssertionError("the log ended")

    async def read_ids(self, force: str) -> list[str]:
        """The read_id of every read in the log of a force."""
        return [read_id for append in await self.appends(force) for read_id in append.columns.read_ids]

    async def create(self, force: str) -> None:
        """Create a force."""
        async with self.forces(force) as forces:
            await forces.create(force)

    async def retire(self, force: str) -> None:
        """Retire a force."""
        async with self.forces(force) as forces:
            await forces.retire(force, Purpose(justification="the test retires it"))

    @asynccontextmanager
    async def forces(self, force: str) -> AsyncIterator[ForceClient]:
        async with open_channel(self.target, self.pki.issue_person("administrator", [force])) as channel:
            yield ForceClient(channel)


def database_environment(database: DatabaseSettings) -> dict[str, str]:
    return {
        "GANTRY_DATABASE__HOST": database.host,
        "GANTRY_DATABASE__PORT": str(database.port),
        "GANTRY_DATABASE__NAME": database.name,
        "GANTRY_DATABASE__USER": database.user,
        "GANTRY_DATABASE__PASSWORD_FILE": str(database.password_file),
    }


@pytest.fixture(scope="session")
def store_process(
    postgres_server: SharedServer, pki: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StoreProcess]:
    folder = tmp_path_factory.mktemp("store")
    database = asyncio.run(postgres_server.migrated("store"))
    held = HeldPorts()
    tls, target = pki.issue_service("store"), f"127.0.0.1:{held.another()}"
    environment = {
        **database_environment(database),
        "GANTRY_TLS__CERTIFICATE": str(tls.certificate),
        "GANTRY_TLS__KEY": str(tls.key),
        "GANTRY_TLS__AUTHORITY": str(tls.authority),
        "GANTRY_STORE__IMAGES": f"file://{folder}/images",
        "GANTRY_GRPC__LISTEN": target,
        "GANTRY_GRPC__PORT_FILE": str(folder / "store.json"),
        "PYTHONPATH": os.pathsep.join(path for path in os.sys.path if path),
    }
    process = Process(Command("store", "services.store", environment=environment), logs=folder, run=folder)
    asyncio.run(process.start())
    yield StoreProcess(process, target, pki, postgres_server.postgres.superuser(database.name))
    asyncio.run(process.stop())
    held.release()


@pytest.fixture
async def force(store_process: StoreProcess) -> str:
    """A force of this test alone."""
    code = f"force-{next(_forces)}"
    await store_process.create(code)
    return code


@dataclass
class RunningIngest:
    """An ingest and its clients."""

    parts: Ingest
    pool: asyncpg.Pool
    pki: Authority
    opened: AsyncExitStack = field(repr=False)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.parts.server.ports['grpc']}"

    @property
    def public(self) -> str:
        return f"127.0.0.1:{self.parts.server.ports['public']}"

    async def cameras(self, *forces: str) -> CameraClient:
        """The registry, for a person of these forces."""
        tls = self.pki.issue_person("engineer-" + "-".join(forces), forces)
        return CameraClient(await self.opened.enter_async_context(open_channel(self.target, tls)))

    async def enrol(self, force: str, feed: str, *cameras: str | cameras_pb2.Camera) -> str:
        """Enrol cameras on a new feed; returns its token."""
        client = await self.cameras(force)
        wanted = [
            camera
            if isinstance(camera, cameras_pb2.Camera)
            else cameras_pb2.Camera(camera_id=camera, kind=cameras_pb2.CAMERA_KIND_FIXED)
            for camera in cameras
        ]
        return (await client.enrol(force, feed, wanted)).token

    async def connect(self) -> Connection:
        """A vendor's connection to the public door."""
        return await self.opened.enter_async_context(
            Connection(self.public, authority=self.pki.certificate, server_name="localhost")
        )

    async def channel(self) -> grpc.aio.Channel:
        """A vendor's channel, for what the SDK would never do."""
        credentials = grpc.ssl_channel_credentials(self.pki.certificate.read_bytes())
        options = [("grpc.ssl_target_name_override", "localhost")]
        return await self.opened.enter_async_context(
            grpc.aio.secure_channel(self.public, credentials, options)
        )


StartIngest = Callable[..., Awaitable[RunningIngest]]
QUICK = Backoff(first=0.05, most=0.2)


@pytest.fixture
async def start_ingest(
    service_database: Callable[[str], Awaitable[DatabaseSettings]],
    pki: Authority,
    store_process: StoreProcess,
    force: str,
) -> AsyncIterator[StartIngest]:
    """Start ingests that know `force`. Those of one test share the database, like replicas."""
    databases: list[DatabaseSettings] = []
    async with AsyncExitStack() as opened:

        async def start(**section: object) -> RunningIngest:
            if not databases:
                databases.append(await service_database("ingest"))
            settings = IngestSettings(
                tls=pki.issue_service("ingest"),
                database=databases[0],
                telemetry=TelemetrySettings(),
                ingest=IngestSection(**{"store": store_process.target, **section}),
            )
            return await opened.enter_async_context(_running(settings, pki))

        yield start


@pytest.fixture
async def ingest(start_ingest: StartIngest) -> RunningIngest:
    """One ingest with the usual settings."""
    return await start_ingest()


@asynccontextmanager
async def _running(settings: IngestSettings, pki: Authority) -> AsyncIterator[RunningIngest]:
    section = settings.ingest
    async with (
        open_pool(settings.database) as pool,
        open_channel(section.store, settings.tls, retries=False) as store,
        open_ingest(settings, pool, store) as parts,
        AsyncExitStack() as opened,
    ):
        await parts.server.start()
        await parts.directory.ready()
        yield RunningIngest(parts, pool, pki, opened)


def unique_ids(count: int) -> list[str]:
    """Read ids that no other test uses."""
    stem = uuid4().hex[:12]
    return [f"{stem}-{number}" for number in range(count)]
