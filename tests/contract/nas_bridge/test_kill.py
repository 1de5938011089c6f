"""kill -9 of the bridge, a national service or PostgreSQL while reads flow: nothing is lost or doubled."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from chassis.settings import DatabaseSettings, TlsSettings
from suite.certificates import Authority
from suite.ports import HeldPorts
from tests.contract.nas_bridge.conftest import WHY, National, Stage, until
from tests.contract.nas_bridge.stand_in_store import serving
from tests.contract.nas_bridge.test_delivery import check_both_have
from tests.postgres_server import SharedServer


class Killable:
    """A process of ours that is killed and started again with the same ports."""

    def __init__(
        self, module: str, arguments: Sequence[str], environment: dict[str, str], ports: Path
    ) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **environment}
        self._ports = ports
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._ports.unlink(missing_ok=True)
        self._process = await asyncio.create_subprocess_exec(*self._command, env=self._environment)
        await until(self._ports.exists, seconds=60)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


class Cast(Stage):
    """The stage with every part as a process of its own."""

    processes: dict[str, Killable]

    async def open(self) -> None:
        http = await self.opened.enter_async_context(aiohttp.ClientSession())
        held = self.opened.enter_context(HeldPorts())
        ports = [{door: held.another(), "control": held.another()} for door in ("grpc", "https")]
        self.nas, self.nadc = National(ports[0], http), National(ports[1], http)
        store = serving(self.store, self.pki.issue_service("store"))
        self._store_address = await self.opened.enter_async_context(store)
        self._started = 1
        self.processes = {
            "nas": self._simulator("nas", ports[0]["grpc"], ports[0]["control"]),
            "nadc": self._simulator("nadc", ports[1]["https"], ports[1]["control"]),
            "bridge": self._bridge(),
        }
        await asyncio.gather(*(process.start() for process in self.processes.values()))
        client = await self.client()
        for destination in self.destinations():
            await client.add("essex", destination, WHY)

    async def restart(self, name: str) -> None:
        await self.processes[name].kill()
        await self.processes[name].start()

    async def end(self) -> None:
        for process in self.processes.values():
            await process.kill()

    def _simulator(self, name: str, port: int, control_port: int) -> Killable:
        tls, file = self.pki.issue_service(name), self.folder / f"{name}.json"
        arguments = {
            "--state": self.folder / name,
            "--listen": f"127.0.0.1:{port}",
            "--control-listen": f"127.0.0.1:{control_port}",
            "--certificate": tls.certificate,
            "--key": tls.key,
            "--authority": tls.authority,
            "--port-file": file,
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        return Killable(f"simulators.{name}", words, {}, file)

    def _bridge(self) -> Killable:
        settings = self.settings()
        section = settings.bridge.model_dump(mode="json")
        environment = {
            **_tls(settings.tls),
            **_nested("DATABASE", settings.database.model_dump(mode="json")),
            **_nested("BRIDGE", section),
            "GANTRY_GRPC__PORT_FILE": str(self.port_file),
            "GANTRY_TELEMETRY__LOG_LEVEL": "error",
        }
        return Killable("services.nas_bridge", [], environment, self.port_file)


def _tls(tls: TlsSettings) -> dict[str, str]:
    return _nested("TLS", tls.model_dump(mode="json"))


def _nested(section: str, values: dict[str, object]) -> dict[str, str]:
    given = {name: value for name, value in values.items() if value is not None}
    return {f"GANTRY_{section}__{name.upper()}": str(value) for name, value in given.items()}


@pytest.fixture
async def cast(
    tmp_path: Path, pki: Authority, service_database: Callable[[str], Awaitable[DatabaseSettings]]
) -> AsyncIterator[Cast]:
    async with AsyncExitStack() as opened:
        made = Cast(tmp_path, pki, await service_database("nas_bridge"), opened)
        try:
            await made.open()
            yield made
        finally:
            await made.end()


async def grown(cast: Cast, by: int) -> None:
    before = cast.store.head("essex")
    await until(lambda: cast.store.head("essex") > before + by)


async def flow(cast: Cast, dice: random.Random, over: asyncio.Event) -> None:
    while not over.is_set():
        await cast.store.grow("essex", dice.randrange(1, 60))
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("seed", [11])
async def test_killing_any_process_loses_and_doubles_nothing(cast: Cast, seed: int) -> None:
    dice, over = random.Random(seed), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(flow(cast, dice, over))
        victims = ["bridge", "nas", "nadc"]
        for victim in [*dice.sample(victims, 3), dice.choice(victims)]:
            await grown(cast, dice.randrange(50, 400))
            await cast.restart(victim)
        over.set()
    await cast.until_delivered(seconds=60)
    await check_both_have(cast)


async def test_killing_postgresql_loses_and_doubles_nothing(
    cast: Cast, postgres_server: SharedServer
) -> None:
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(flow(cast, random.Random(3), over))
        await grown(cast, 300)
        supervising = tasks.create_task(postgres_server.postgres.supervise())
        await postgres_server.postgres.crash()
        await grown(cast, 600)
        over.set()
        await cast.until_delivered(seconds=60)
        supervising.cancel()
    await check_both_have(cast)
