"""Start the store: read settings, open what it needs, serve until a signal."""

from __future__ import annotations

import time

from chassis.database import open_pool
from chassis.migrations import check_migrated
from chassis.run import run
from chassis.server import grpc_server
from chassis.telemetry import telemetry
from services.store import MIGRATIONS
from services.store.assembly import access_rules, assemble, open_database, own_auditor
from services.store.settings import StoreSettings


def now_us() -> int:
    """Microseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1000


async def main(settings: StoreSettings) -> None:
    """Run the store until SIGTERM or SIGINT."""
    async with (
        telemetry("store", settings.telemetry),
        open_pool(settings.database) as pool,
        open_database(settings, pool, now_us) as database,
        grpc_server(
            settings, access_rules(), auditor=own_auditor(database), restoration=database.restoration
        ) as server,
    ):
        await check_migrated(pool, MIGRATIONS)
        await database.restoration.subject()
        await assemble(server, settings, database, now_us)
        await server.serve_until_signalled()


if __name__ == "__main__":
    run("store", StoreSettings, main, migrations=MIGRATIONS)
