"""Start match: read settings, open what it needs, follow and serve until told to stop."""

from __future__ import annotations

from gantry.match.v1.alert_pb2_grpc import add_AlertServiceServicer_to_server
from gantry.match.v1.hotlist_pb2_grpc import add_HotlistServiceServicer_to_server

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.migrations import check_migrated
from chassis.run import run
from chassis.server import GrpcServer, grpc_server
from chassis.telemetry import telemetry
from clients.store import AuditClient, StoreClient
from services.match import MIGRATIONS
from services.match.assembly import Assembly, assemble
from services.match.settings import MatchSettings
from services.match.store import StoreLog


async def main(settings: MatchSettings) -> None:
    """Run match until SIGTERM or SIGINT."""
    async with (
        telemetry("match", settings.telemetry),
        open_pool(settings.database) as pool,
        open_channel(
            settings.match.store, settings.tls, server_name=settings.match.store_name, retries=False
        ) as store,
        grpc_server(settings) as server,
    ):
        await check_migrated(pool, MIGRATIONS)
        match = assemble(settings.match, pool, StoreLog(StoreClient(store)), AuditClient(store))
        await match.prepare()
        serve(server, match)
        await server.serve_until_signalled()


def serve(server: GrpcServer, match: Assembly) -> None:
    """Hand the services and the background work to the server."""
    server.add(
        add_HotlistServiceServicer_to_server,
        match.hotlist_service,
        service="gantry.match.v1.HotlistService",
        callers=["person"],
        ready=match.matching.ping,
    )
    server.add(
        add_AlertServiceServicer_to_server,
        match.alert_service,
        service="gantry.match.v1.AlertService",
        callers={"Subscribe": ["person"], "Acknowledge": ["person"], "GetMatchStatus": ["*"]},
        ready=match.matching.ping,
    )
    server.on_stop(match.close)
    for work, name in match.tasks():
        server.own(work, name)


if __name__ == "__main__":
    run("match", MatchSettings, main, migrations=MIGRATIONS)
