"""A small service as a process of its own."""

from __future__ import annotations

import subprocess
import textwrap
import time
from pathlib import Path

SCRIPT = textwrap.dedent(
    """
    import asyncio, gc, os
    from chassis.run import run
    from chassis.server import grpc_server
    from chassis.settings import ServiceSettings
    from chassis.telemetry import telemetry

    class Settings(ServiceSettings):
        colour: str = "blue"
        api_token: str = "hush"
        sizes: dict[str, list[float]] = {}

    async def main(settings):
        if settings.colour == "late":
            open("started", "w").close()
            while not os.path.exists("go"):
                await asyncio.sleep(0.01)
        async with telemetry("probe", settings.telemetry), grpc_server(settings, {}) as server:
            if settings.colour == "red":
                raise RuntimeError("a plain failure")
            if settings.colour == "wait":
                open(settings.grpc.port_file, "w").write("waiting")
                await asyncio.Event().wait()
            if settings.colour == "doomed":
                async def die():
                    raise KeyError("AB12CDE")
                server.own(die(), "doomed")
            if settings.colour == "curious":
                async def count():
                    while not gc.get_freeze_count():
                        await asyncio.sleep(0.01)
                    print(gc.get_freeze_count(), len(gc.get_objects()), flush=True)
                server.own(count(), "count")
            if settings.colour == "slow":
                server.on_stop(lambda: asyncio.sleep(60))
            await server.serve_until_signalled()

    run("probe", Settings, main)
    """
)


def await_ports(process: subprocess.Popen[str], file: Path) -> None:
    """Wait until it listens."""
    ends_at = time.monotonic() + 30
    while not file.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < ends_at
        time.sleep(0.02)
