"""Two replicas of each service, with a proxy on each line between two programs that can be cut."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc

from suite.database import SERVICES
from suite.plan import replica_name, service_of
from suite.suite import Suite, erase
from tests.chaos.controls import Controls, controls_in
from tests.chaos.proxy import Proxy, proxy_to
from tests.chaos.replicas import STORE_OF, Balancer
from tests.e2e.machine import settings_in
from tests.postgres_server import throwaway_folder

PROCESSES = tuple(name for service in SERVICES for name in (service, replica_name(service, 2)))
_IMAGE_DISK = "256m"


@dataclass(frozen=True)
class Wired:
    """A suite with two of each, and the lines that can be cut.

    `database` and `store` are lines by the process that uses them. `images` is the folder of pictures;
    `small_disk` says whether it has a file system of its own. Without `controls` clocks and syncs stay right.
    `said` has what the suite said of its processes.
    """

    suite: Suite
    database: Mapping[str, Proxy]
    store: Mapping[str, Proxy]
    door: Proxy
    stores: Proxy
    matches: Proxy
    bridges: Proxy
    collector: Proxy
    controls: Controls | None
    images: Path
    small_disk: bool
    said: list[str]


@asynccontextmanager
async def wired_suite(*forces: str) -> AsyncIterator[Wired]:
    """A running suite with two of each service, wired. Nothing of it is left afterwards."""
    with throwaway_folder() as folder, controls_in(folder) as controls, _disk(folder / "disk") as small_disk:
        async with AsyncExitStack() as opened:
            balancers = {service: Balancer(service) for service in SERVICES}
            wired = await _wire(opened, folder, balancers, controls, small_disk, forces)
            for balancer in balancers.values():
                balancer.suite = wired.suite
            async with wired.suite:
                await wired.suite.add_replica("store")
                await asyncio.gather(*(wired.suite.add_replica(service) for service in STORE_OF))
                probes = [asyncio.create_task(balancer.probe()) for balancer in balancers.values()]
                try:
                    yield wired
                finally:
                    for probe in probes:
                        probe.cancel()
                    await asyncio.gather(*probes, return_exceptions=True)
            await erase(wired.suite.settings.folder)


async def _wire(
    opened: AsyncExitStack,
    folder: Path,
    balancers: Mapping[str, Balancer],
    controls: Controls | None,
    small_disk: bool,
    forces: tuple[str, ...],
) -> Wired:
    said: list[str] = []
    settings = settings_in(folder / "suite", forces)
    images = folder / "disk" / "images"
    images.mkdir(mode=0o700)
    suite: Suite

    def socket_of_postgres() -> str:
        return f"{suite.postgres.host}/.s.PGSQL.{suite.postgres.port}"

    async def before_postgres(process: str) -> Proxy:
        home = folder / "database" / process
        home.mkdir(parents=True)
        return await opened.enter_async_context(proxy_to(socket_of_postgres, socket=home / ".s.PGSQL.5432"))

    async def before(service: str, port: str = "grpc") -> Proxy:
        return await opened.enter_async_context(proxy_to(balancers[service].turns(port)))

    database = {process: await before_postgres(process) for process in PROCESSES}
    store = {process: await before("store") for process in PROCESSES if service_of(process) in STORE_OF}
    collector = await opened.enter_async_context(proxy_to(await opened.enter_async_context(_collector())))
    environment = {
        process: {
            **settings.environment.get(service_of(process), {}),
            "GANTRY_DATABASE__HOST": str(Path(database[process].address).parent),
            "GANTRY_TELEMETRY__OTLP_ENDPOINT": f"http://{collector.address}",
            **({STORE_OF[service_of(process)]: store[process].address} if process in store else {}),
            **({"GANTRY_STORE__IMAGES": images.as_uri()} if service_of(process) == "store" else {}),
            **(controls.environment(process) if controls else {}),
        }
        for process in PROCESSES
    }
    national = {name: controls.environment(name) if controls else {} for name in settings.destinations}
    suite = Suite(replace(settings, environment={**environment, **national}), say=said.append)
    door, stores = await before("ingest", "public"), await before("store")
    matches, bridges = await before("match"), await before("nas_bridge")
    return Wired(
        suite,
        database,
        store,
        door,
        stores,
        matches,
        bridges,
        collector,
        controls,
        images,
        small_disk,
        said,
    )


@contextmanager
def _disk(folder: Path) -> Iterator[bool]:
    """A small file system for pictures where we may mount one; whether it is one."""
    folder.mkdir(mode=0o755)
    command = ("mount", "-t", "tmpfs", "-o", f"size={_IMAGE_DISK},mode=0755", "tmpfs", str(folder))
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(("umount", "-l", str(folder)), check=True)


class _Takes(grpc.GenericRpcHandler):
    """Takes whatever is exported, and answers an empty message: all of it was accepted."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(_accepted)


async def _accepted(_request: bytes, _context: object) -> bytes:
    return b""


@asynccontextmanager
async def _collector() -> AsyncIterator[str]:
    """A collector of OTLP that keeps nothing; its address."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Takes(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
