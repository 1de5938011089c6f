"""The bridge whole, with a real PostgreSQL, both simulated national services and a log to follow."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from gantry.bridge.v1 import bridge_pb2
from gantry.common.v1.purpose_pb2 import Purpose

from chassis.client import open_channel
from chassis.database import connect
from chassis.settings import DatabaseSettings, GrpcSettings, TelemetrySettings
from clients.bridge import BridgeClient
from reads.appended import Appended
from reads.read import identity_at
from services.nas_bridge.__main__ import main
from services.nas_bridge.settings import BridgeSettings
from simulators.nadc.service import NADC
from simulators.nas.service import NAS
from simulators.national.ledger import identities_in
from simulators.national.options import Address, Options
from simulators.national.running import Service, running
from suite.certificates import Authority
from tests.contract.nas_bridge.stand_in_store import StandInStore, serving

ANYWHERE = Address("127.0.0.1", 0)
WHY = Purpose(justification="Set up for a test", reference="OP-1")
Identity = tuple[str, str, int, str]


class National:
    """A simulated national service's control surface, and its door's address."""

    def __init__(self, ports: dict[str, int], http: aiohttp.ClientSession) -> None:
        (door,) = set(ports) - {"control"}
        self.port = ports[door]
        self._control = f"http://127.0.0.1:{ports['control']}"
        self._http = http

    async def behave(self, **wish: object) -> None:
        async with self._http.post(f"{self._control}/behave", json=wish) as response:
            assert response.status == 200, await response.text()

    async def state(self) -> dict[str, Any]:
        async with self._http.get(f"{self._control}/state") as response:
            found: dict[str, Any] = await response.json()
            return found

    async def accepted(self) -> list[Identity]:
        async with self._http.get(f"{self._control}/accepted") as response:
            return identities_in(await response.text())

    async def count(self, force: str = "essex") -> int:
        state = await self.state()
        return int(state["forces"].get(force, {}).get("accepted", 0))


class Stage:
    """Everything that one test needs, opened as it asks for it."""

    def __init__(
        self, folder: Path, pki: Authority, database: DatabaseSettings, opened: AsyncExitStack
    ) -> None:
        self.folder = folder
        self.pki = pki
        self.database = database
        self.opened = opened
        self.store = StandInStore()
        self.nas: National
        self.nadc: National
        self._store_address = ""
        self._bridges: list[asyncio.Task[None]] = []
        self._started = 0

    async def open(self) -> None:
        http = await self.opened.enter_async_context(aiohttp.ClientSession())
        self.nas = National(await self.opened.enter_async_context(self.simulator(NAS)), http)
        self.nadc = National(await self.opened.enter_async_context(self.simulator(NADC)), http)
        store = serving(self.store, self.pki.issue_service("store"))
        self._store_address = await self.opened.enter_async_context(store)

    def simulator(self, service: Service) -> Any:
        tls = self.pki.issue_service(service.name)
        options = Options(
            state=self.folder / service.name,
            listen=ANYWHERE,
            control_listen=ANYWHERE,
            certificate=tls.certificate,
            key=tls.key,
            authority=tls.authority,
        )
        return running(service, options)

    def settings(self, *, spans_file: Path | None = None, **bridge: object) -> BridgeSettings:
        section = {
            "store": self._store_address,
            "gather_seconds": 0.01,
            "retry_first_seconds": 0.01,
            "retry_most_seconds": 0.1,
            **bridge,
        }
        return BridgeSettings.model_validate(
            {
                "tls": self.pki.issue_service("nas_bridge"),
                "grpc": GrpcSettings(port_file=self.port_file, drain_seconds=5),
                "database": self.database,
                "telemetry": TelemetrySettings(spans_file=spans_file),
                "bridge": section,
            }
        )

    def destinations(self, **changes: Any) -> list[bridge_pb2.DestinationSettings]:
        """Both national services, each with these changes."""
        nas = {"name": "nas", "adapter": "nas", "options": {"target": f"127.0.0.1:{self.nas.port}"}}
        url = f"https://127.0.0.1:{self.nadc.port}/nadc/batches"
        nadc = {"name": "nadc", "adapter": "nadc", "options": {"url": url}}
        return [bridge_pb2.DestinationSettings(**{**each, **changes}) for each in (nas, nadc)]

    @property
    def port_file(self) -> Path:
        """Where the bridge that was started last writes its ports."""
        return self.folder / f"bridge-{self._started}.json"

    async def start_bridge(
        self, destinations: Sequence[bridge_pb2.DestinationSettings] | None = None, **settings: Any
    ) -> asyncio.Task[None]:
        """Run the service's own main until the test ends, and add destinations to both forces."""
        task = await self.start_replica(**settings)
        client = await self.client()
        for force in ("essex", "kent"):
            for each in self.destinations() if destinations is None else destinations:
                await client.add(force, each, WHY)
        return task

    async def start_replica(self, **settings: Any) -> asyncio.Task[None]:
        """Run the service's own main until the test ends."""
        self._started += 1
        task = asyncio.create_task(main(self.settings(**settings)))
        self._bridges.append(task)
        await until(lambda: self.port_file.exists() or task.done())
        if task.done():
            await task
        return task

    async def stop_bridges(self) -> None:
        for task in self._bridges:
            task.cancel()
        for task in self._bridges:
            with suppress(asyncio.CancelledError):
                await task
        self._bridges.clear()

    async def client(self, person: str = "ana", *forces: str) -> BridgeClient:
        """A client of the bridge that was started last."""
        tls = self.pki.issue_person(person, forces or ("essex", "kent"))
        port = json.loads(self.port_file.read_text())["grpc"]
        channel = open_channel(f"127.0.0.1:{port}", tls)
        return BridgeClient(await self.opened.enter_async_context(channel))

    async def rows(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Ask the bridge's schema with all forces declared."""
        async with connect(self.database) as connection, connection.transaction():
            await connection.execute("select set_config('gantry.forces', 'essex,kent', true)")
            found: list[asyncpg.Record] = await connection.fetch(statement, *values)
            return found

    async def until_delivered(self, force: str = "essex", seconds: float = 40) -> None:
        """Wait until both cursors are at the log's head."""
        head = self.store.head(force)

        async def there() -> bool:
            rows = await self.rows("select position from line_cursors where force = $1", force)
            return [row["position"] for row in rows] == [head, head]

        await until(there, seconds)

    def sent(self, force: str = "essex") -> Counter[Identity]:
        """The identities of all reads of a force's log."""
        runs = [Appended(append).columns for append in self.store.log[force]]
        return Counter(
            (force, *identity_at(run, index)) for run in runs for index in range(len(run.read_ids))
        )


async def until(true: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 40) -> None:
    """Poll a condition until it holds, with a deadline."""
    ends_at = time.monotonic() + seconds
    while True:
        outcome = true()
        if await outcome if isinstance(outcome, Awaitable) else outcome:
            return
        assert time.monotonic() < ends_at, "it did not come true in time"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def staged(folder: Path, pki: Authority, database: DatabaseSettings) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as opened:
        stage = Stage(folder, pki, database, opened)
        await stage.open()
        try:
            yield stage
        finally:
            await stage.stop_bridges()


@pytest.fixture
async def stage(
    tmp_path: Path, pki: Authority, service_database: Callable[[str], Awaitable[DatabaseSettings]]
) -> AsyncIterator[Stage]:
    async with staged(tmp_path, pki, await service_database("nas_bridge")) as made:
        yield made
