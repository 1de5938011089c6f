"""Start ingest: read settings, open what it needs, accept reads until a signal."""

from __future__ import annotations

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.migrations import check_migrated
from chassis.run import run
from chassis.telemetry import telemetry
from services.ingest import MIGRATIONS
from services.ingest.assembly import open_ingest
from services.ingest.settings import IngestSettings


async def main(settings: IngestSettings) -> None:
    """Run ingest until SIGTERM or SIGINT."""
    section = settings.ingest
    async with (
        telemetry("ingest", settings.telemetry),
        open_pool(settings.database) as pool,
        open_channel(
            section.store, settings.tls, server_name=section.store_name, retries=False, reconnects=True
        ) as store,
    ):
        await check_migrated(pool, MIGRATIONS)
        async with open_ingest(settings, pool, store) as ingest:
            await ingest.server.serve_until_signalled()


if __name__ == "__main__":
    run("ingest", IngestSettings, main, migrations=MIGRATIONS)
