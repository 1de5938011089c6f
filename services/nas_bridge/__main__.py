"""Starts the bridge: reads settings, opens what it needs, delivers and serves until a signal."""

from __future__ import annotations

from typing import Final

from gantry.bridge.v1.bridge_pb2_grpc import add_BridgeServiceServicer_to_server

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.loops import repeat
from chassis.metrics import showing
from chassis.migrations import check_migrated
from chassis.run import run
from chassis.server import grpc_server
from chassis.telemetry import telemetry
from clients.audit import AuditClient
from clients.directory import DirectoryWatch
from clients.store import BufferClient, ReadLogClient
from policy.access import rules
from services.nas_bridge import MIGRATIONS
from services.nas_bridge.assembly import Bridge, assemble
from services.nas_bridge.settings import BridgeSection, BridgeSettings

SERVICE: Final = "gantry.bridge.v1.BridgeService"
# One append of the log is never split, and can carry pictures.
_MOST_LOG_BYTES: Final = 64 * 1024 * 1024
_RETIRE_SECONDS: Final = 5.0
_HEADS_SECONDS: Final = 1.0
_EXPIRE_SECONDS: Final = 3600.0


async def main(settings: BridgeSettings) -> None:
    """Run the bridge until SIGTERM or SIGINT."""
    async with (
        telemetry("nas_bridge", settings.telemetry),
        open_pool(settings.database) as pool,
        open_channel(
            settings.bridge.store,
            settings.tls,
            server_name=settings.bridge.store_name,
            max_message_bytes=_MOST_LOG_BYTES,
            retries=False,
            reconnects=True,
        ) as store,
    ):
        await check_migrated(pool, MIGRATIONS)
        directory = DirectoryWatch(store)
        async with grpc_server(
            settings, rules(SERVICE), auditor=AuditClient(store), known_force=directory.knows
        ) as server:
            heads = BufferClient(store, deadline=_HEADS_SECONDS).heads
            log = ReadLogClient(store)
            bridge = await assemble(settings.bridge, settings.tls, pool, log, directory, heads=heads)
            server.add(
                add_BridgeServiceServicer_to_server,
                bridge.service,
                service=SERVICE,
                ready=bridge.records.ping,
            )
            server.own(directory.run(), "directory")
            server.own(bridge.lines.run(), "lines")
            server.own(showing(*bridge.gauges.shown()), "gauges")
            server.on_stop(bridge.lines.stop)
            server.own(_retire_consumers(bridge, directory), "retire consumers")
            server.own(_expire(bridge, directory, settings.bridge), "expire records")
            await server.serve_until_signalled()


async def _retire_consumers(bridge: Bridge, directory: DirectoryWatch) -> None:
    """Retire the consumers of retired destinations at the store, and repeat this until it succeeds."""

    async def retire() -> None:
        await directory.ready()
        await bridge.destinations.retire_consumers(directory.forces)

    await repeat(retire, name="retire consumers", every=_RETIRE_SECONDS)


async def _expire(bridge: Bridge, directory: DirectoryWatch, settings: BridgeSection) -> None:
    """Delete receipts and dead letters that are past their time."""

    async def expire() -> None:
        await directory.ready()
        await bridge.records.delete_old(directory.forces, settings.receipt_days, settings.dead_letter_days)

    await repeat(expire, name="expire records", every=_EXPIRE_SECONDS)


if __name__ == "__main__":
    run("nas_bridge", BridgeSettings, main, migrations=MIGRATIONS)
