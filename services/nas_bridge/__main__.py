"""Start the bridge: read settings, open what it needs, forward and serve until told to stop."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

from gantry.bridge.v1.bridge_pb2_grpc import add_BridgeServiceServicer_to_server

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.migrations import check_migrated
from chassis.run import run
from chassis.server import grpc_server
from chassis.telemetry import telemetry
from clients.store import AuditClient, StoreClient
from services.nas_bridge import MIGRATIONS
from services.nas_bridge.claims import PostgresClaims
from services.nas_bridge.forwarding import Forwarding, destinations_by_force, run_forwarders
from services.nas_bridge.housekeeping import Housekeeping
from services.nas_bridge.plugins import open_destinations
from services.nas_bridge.postgres import PostgresRecords
from services.nas_bridge.service import BridgeService
from services.nas_bridge.settings import BridgeSection, BridgeSettings

# One append of the log is never split, and can carry pictures.
_MOST_LOG_BYTES: Final = 64 * 1024 * 1024


async def main(settings: BridgeSettings) -> None:
    """Run the bridge until SIGTERM or SIGINT."""
    bridge = settings.bridge
    async with (
        telemetry("nas_bridge", settings.telemetry),
        open_pool(settings.database) as pool,
        open_channel(
            bridge.store,
            settings.tls,
            server_name=bridge.store_name,
            max_message_bytes=_MOST_LOG_BYTES,
            retries=False,
        ) as store,
        open_destinations(bridge.destinations, settings.tls) as destinations,
        aclosing(PostgresClaims(pool)) as claims,
        grpc_server(settings) as server,
    ):
        await check_migrated(pool, MIGRATIONS)
        records = PostgresRecords(pool)
        forwarders = Forwarding(bridge, destinations, StoreClient(store), claims).forwarders()
        await records.register(forwarders)
        service = BridgeService(records, AuditClient(store), destinations_by_force(bridge))
        server.add(
            add_BridgeServiceServicer_to_server,
            service,
            service="gantry.bridge.v1.BridgeService",
            callers=["person"],
            ready=records.ping,
        )
        server.own(claims.beat_forever(), "keep the claims")
        server.own(_housekeeping(bridge, records).run(), "housekeeping")
        server.on_stop(run_forwarders(forwarders, server.own))
        await server.serve_until_signalled()


def _housekeeping(bridge: BridgeSection, records: PostgresRecords) -> Housekeeping:
    return Housekeeping(records, bridge.forces, bridge.receipt_days, bridge.dead_letter_days)


if __name__ == "__main__":
    run("nas_bridge", BridgeSettings, main, migrations=MIGRATIONS)
