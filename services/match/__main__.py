"""Start match: read settings, open what it needs, follow and serve until a signal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from gantry.match.v1.alert_pb2_grpc import add_AlertServiceServicer_to_server
from gantry.match.v1.canary_pb2_grpc import add_CanaryServiceServicer_to_server
from gantry.match.v1.hotlist_pb2_grpc import add_HotlistServiceServicer_to_server

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.migrations import check_migrated
from chassis.pages import PageTokens
from chassis.restoration import Restoration
from chassis.run import run
from chassis.server import GrpcServer, grpc_server
from chassis.telemetry import telemetry
from clients.audit import AuditClient
from clients.directory import DirectoryWatch
from clients.ingest import CameraClient
from clients.store import BufferClient, ReadLogClient
from policy.access import rules
from services.match import MIGRATIONS
from services.match.assembly import Assembly, assemble
from services.match.settings import MatchSettings

HOTLISTS: Final = "gantry.match.v1.HotlistService"
ALERTS: Final = "gantry.match.v1.AlertService"
CANARIES: Final = "gantry.match.v1.CanaryService"
_HEADS_SECONDS: Final = 1.0


async def main(settings: MatchSettings) -> None:
    """Run match until SIGTERM or SIGINT."""
    section = settings.match
    async with (
        telemetry("match", settings.telemetry),
        open_pool(settings.database) as pool,
        open_channel(
            section.store, settings.tls, server_name=section.store_name, retries=False, reconnects=True
        ) as store,
        cameras(settings) as registry,
    ):
        await check_migrated(pool, MIGRATIONS)
        restoration = Restoration(pool)
        await restoration.subject()
        directory = DirectoryWatch(store)
        match = assemble(
            section,
            pool,
            ReadLogClient(store),
            heads=BufferClient(store, deadline=_HEADS_SECONDS).heads,
            forces=lambda: directory.forces,
            hears=directory.is_heard,
            pages=await PageTokens.open(pool),
            cameras=registry,
        )
        async with grpc_server(
            settings,
            rules(HOTLISTS, ALERTS, CANARIES),
            auditor=AuditClient(store),
            known_force=directory.knows,
            restoration=restoration,
        ) as server:
            server.own(directory.run(), "directory")
            server.own(restoration.until_open(reopening(restoration, match, directory)), "reopening")
            serve(server, match, partial(ready, directory, match))
            await server.serve_until_signalled()


def reopening(
    restoration: Restoration, match: Assembly, directory: DirectoryWatch
) -> Callable[[], Awaitable[None]]:
    """After a restore from a backup: open alerts when those past their time are deleted again."""

    async def attempt() -> None:
        if directory.forces and await restoration.subject() is not None:
            await match.retention.delete_due()
            await restoration.finish()

    return attempt


@asynccontextmanager
async def cameras(settings: MatchSettings) -> AsyncIterator[CameraClient | None]:
    """The registry of cameras, where the settings say where it is."""
    section = settings.match
    if section.ingest is None:
        yield None
        return
    async with open_channel(
        section.ingest, settings.tls, server_name=section.ingest_name, retries=False, reconnects=True
    ) as channel:
        yield CameraClient(channel)


async def ready(directory: DirectoryWatch, match: Assembly) -> None:
    """Raise while calls cannot be served: the directory or the database is unavailable."""
    directory.is_known("")
    await match.notices.ping()


def serve(server: GrpcServer, match: Assembly, ready: Callable[[], Awaitable[None]]) -> None:
    """Give the services and the background work to the server."""
    server.add(
        add_HotlistServiceServicer_to_server,
        match.hotlist_service,
        service=HOTLISTS,
        ready=ready,
    )
    server.add(add_AlertServiceServicer_to_server, match.alert_service, service=ALERTS, ready=ready)
    server.add(add_CanaryServiceServicer_to_server, match.canary_service, service=CANARIES, ready=ready)
    server.on_stop(match.stop)
    for work, name in match.tasks():
        server.own(work, name)


if __name__ == "__main__":
    run("match", MatchSettings, main, migrations=MIGRATIONS)
