"""Start ingest: read settings, open what it needs, take reads until told to stop."""

from __future__ import annotations

from typing import Final, cast

from gantry.ingest.v1.cameras_pb2_grpc import (
    add_CameraHealthServiceServicer_to_server,
    add_CameraRegistryServiceServicer_to_server,
)
from gantry.ingest.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.migrations import check_migrated
from chassis.run import run
from chassis.server import GrpcServer, grpc_server
from chassis.telemetry import telemetry
from services.ingest import MIGRATIONS
from services.ingest.assembly import Assembly, assemble
from services.ingest.settings import IngestSettings

_INGEST: Final = "gantry.ingest.v1.IngestService"


async def main(settings: IngestSettings) -> None:
    """Run ingest until SIGTERM or SIGINT."""
    section = settings.ingest
    async with (
        telemetry("ingest", settings.telemetry),
        open_pool(settings.database) as pool,
        open_channel(section.store, settings.tls, server_name=section.store_name, retries=False) as store,
        grpc_server(settings) as server,
    ):
        await check_migrated(pool, MIGRATIONS)
        ingest = assemble(section, settings.grpc.max_message_bytes, pool, store, server.own)
        await ingest.upkeep.refresh()
        serve(server, ingest)
        await server.serve_until_signalled()


def serve(server: GrpcServer, ingest: Assembly) -> None:
    """Hand the services and the background work to the server."""
    # The door takes bytes, so its methods replace what the generated code would register.
    door = cast("IngestServiceServicer", ingest.door)
    server.add(
        add_IngestServiceServicer_to_server,
        door,
        service=_INGEST,
        callers=None,
        ready=ingest.ready,
        public=True,
    )
    for method, handler in ingest.door.raw_handlers().items():
        server.add_raw(_INGEST, method, handler)
    server.add(
        add_CameraRegistryServiceServicer_to_server,
        ingest.registry_service,
        service="gantry.ingest.v1.CameraRegistryService",
        callers=["person"],
        ready=ingest.database.ping,
    )
    server.add(
        add_CameraHealthServiceServicer_to_server,
        ingest.health_service,
        service="gantry.ingest.v1.CameraHealthService",
        callers=["person"],
        ready=ingest.database.ping,
    )
    server.add_port_public(ingest.section.public_listen)
    server.on_stop(ingest.door.stop)
    for work, name in ingest.tasks():
        server.own(work, name)


if __name__ == "__main__":
    run("ingest", IngestSettings, main, migrations=MIGRATIONS)
