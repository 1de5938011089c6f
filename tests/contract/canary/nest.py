"""The canary's process beside a stand-in of the services that it calls."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from suite.certificates import Authority
from tests.contract.canary.stand_in import StandIn, serving
from tests.e2e.canaries import series_at
from tests.e2e.waiting import eventually

EVERY = 0.5
LATE = 1.5


class Nest:
    """One canary process, its metrics and its log."""

    def __init__(self, folder: Path, pki: Authority, stand_in: StandIn) -> None:
        self.world = stand_in
        self._folder = folder
        self._pki = pki
        self._process: asyncio.subprocess.Process | None = None
        self._addresses = ("", "")

    def serve(self, services: str, door: str) -> None:
        """Where the process finds the services."""
        self._addresses = (services, door)

    async def start(self, **settings: object) -> None:
        """Start the process and wait until it listens."""
        services, door = self._addresses
        tls = self._pki.issue_service("canary")
        section = {
            "STORE": services,
            "MATCH": services,
            "INGEST": services,
            "DOOR": door,
            "EVERY_SECONDS": EVERY,
            "LATE_SECONDS": LATE,
            **settings,
        }
        environment = {
            **os.environ,
            **{f"GANTRY_CANARY__{name}": str(value) for name, value in section.items()},
            "GANTRY_TLS__CERTIFICATE": str(tls.certificate),
            "GANTRY_TLS__KEY": str(tls.key),
            "GANTRY_TLS__AUTHORITY": str(tls.authority),
            "GANTRY_GRPC__PORT_FILE": str(self._folder / "canary.json"),
            "GANTRY_TELEMETRY__METRICS_LISTEN": "127.0.0.1:0",
        }
        with (self._folder / "canary.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.canary", env=environment, stdout=log, stderr=log
            )
        await eventually(self._listens, within=60, what="the canary's ports")

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, (self._folder / "canary.log").read_text()
        return (self._folder / "canary.json").exists()

    @property
    def ports(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self._folder / "canary.json").read_text())
        return found

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def end(self) -> int:
        """End it gracefully; returns its exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        return await self._process.wait()

    async def series(self) -> dict[str, float]:
        """The canary's series that the metrics page shows, as `NAME FORCE`."""
        return await series_at(f"127.0.0.1:{self.ports['metrics']}")

    async def until(self, series: str, *, least: float, within: float = 30) -> None:
        """Wait until a series has at least this value."""

        async def there() -> bool:
            return (await self.series()).get(series, -1.0) >= least

        await eventually(there, within=within, what=f"{series} of {least}")

    async def until_heard(self) -> None:
        """Wait until canaries of all forces are heard and none is missed."""

        async def heard() -> bool:
            found = await self.series()
            return all(
                found.get(f"heard_total {force}", 0) > 0 and found.get(f"missed {force}", 1) == 0
                for force in self.world.active
            )

        await eventually(heard, within=30, what="heard canaries")

    async def ready(self) -> bool:
        """What its health port says."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.ports['health']}") as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=5
            )
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def said(self, message: str) -> list[dict[str, object]]:
        """The log lines with a message."""
        lines = map(json.loads, (self._folder / "canary.log").read_text().splitlines())
        return [line for line in lines if line["message"] == message]


@asynccontextmanager
async def nesting(folder: Path, pki: Authority) -> AsyncIterator[Nest]:
    """A nest whose process may be started. It is ended afterwards."""
    stand_in = StandIn()
    async with serving(stand_in, pki) as addresses:
        made = Nest(folder, pki, stand_in)
        made.serve(*addresses)
        try:
            yield made
        finally:
            await made.end()
