"""Starts the canary: reads settings, connects to the services, sends and listens until a signal."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from chassis.client import open_channel
from chassis.run import run
from chassis.server import grpc_server
from chassis.telemetry import telemetry
from clients.canary import CanaryClient, CanaryFeedClient
from clients.directory import DirectoryWatch
from services.canary.calls import GrpcCalls
from services.canary.door import Door
from services.canary.flock import Flock
from services.canary.force_canary import ForceCanary, Timing
from services.canary.settings import CanarySettings

_DIRECTORY_SECONDS: Final = 2.0
"""So long it waits for the directory before it listens: usually it is ready at once then."""


async def main(settings: CanarySettings) -> None:
    """Run the canary until SIGTERM or SIGINT."""
    own, tls = settings.canary, settings.tls
    timing = Timing(own.every_seconds, own.late_seconds)
    async with (
        telemetry("canary", settings.telemetry),
        open_channel(own.store, tls, server_name=own.store_name, retries=False, reconnects=True) as store,
        open_channel(own.match, tls, server_name=own.match_name, retries=False, reconnects=True) as match,
        open_channel(own.ingest, tls, server_name=own.ingest_name, retries=False, reconnects=True) as ingest,
        grpc_server(settings, {}, takes_calls=False) as server,
    ):
        directory = DirectoryWatch(store)
        door = Door(own.door, tls, server_name=own.door_name)
        calls = GrpcCalls(CanaryClient(match), CanaryFeedClient(ingest), door)
        flock = Flock(directory, lambda force: ForceCanary(force, calls, timing))

        async def ready() -> None:
            directory.is_known("")

        server.add_check("directory", ready)
        server.own(directory.run(), "directory")
        server.own(flock.run(), "canaries")
        with suppress(TimeoutError):
            await asyncio.wait_for(directory.ready(), _DIRECTORY_SECONDS)
        await server.serve_until_signalled()


if __name__ == "__main__":
    run("canary", CanarySettings, main)
