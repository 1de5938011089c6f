"""The whole chain over PostgreSQL 17, directly and through PgBouncer; and what other ways in are told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from gantry.ingest.v1 import ingest_pb2

from chassis.client import open_channel
from chassis.database import connect
from chassis.migrations import migrate
from clients.store import BufferClient
from suite.database import SERVICES, Roles, owner_role, prepare_database, runtime_role
from suite.errors import SuiteError
from suite.postgres import ConnectArguments
from suite.settings import SuiteSettings
from suite.suite import Suite, erase
from tests.e2e.door import EnrolledFeed, ReadMaker, enrol, public_channel, submit_reads
from tests.e2e.hotlists import import_plates
from tests.e2e.machine import settings_in
from tests.e2e.outcome import alerts_of, arrived
from tests.e2e.waiting import eventually
from tests.other_postgres import other_postgres, pooler
from tests.postgres_server import throwaway_folder

SHORT = {"GANTRY_STORE__RETENTION_DAYS": "1", "GANTRY_STORE__RETENTION_INTERVAL_SECONDS": "0.5"}
DIFFERS = ingest_pb2.WARNING_REASON_DUPLICATE_DIFFERS


async def schemas(server: ConnectArguments, roles: Roles) -> dict[str, str]:
    """Make the roles and schemas on a server; the passwords of the services' roles."""
    await prepare_database(lambda name: ConnectArguments(**{**server, "database": name}), roles)
    for service in SERVICES:
        async with connect(roles.settings(owner_role(service), server)) as connection:
            await migrate(connection, import_module(f"services.{service}").MIGRATIONS)
    names = [runtime_role(service) for service in SERVICES]
    return {name: roles.password_file(name).read_text().strip() for name in names}


def over(settings: SuiteSettings, roles: Roles, port: int, store: Mapping[str, str]) -> SuiteSettings:
    """The settings of a suite whose services use another database."""
    environment = {
        service: {
            **settings.environment.get(service, {}),
            **(store if service == "store" else {}),
            "GANTRY_DATABASE__HOST": "127.0.0.1",
            "GANTRY_DATABASE__PORT": str(port),
            "GANTRY_DATABASE__PASSWORD_FILE": str(roles.password_file(runtime_role(service))),
        }
        for service in SERVICES
    }
    return replace(settings, environment=environment)


@asynccontextmanager
async def database(mode: str | None, folder: Path) -> AsyncIterator[tuple[Roles, int]]:
    """A PostgreSQL 17 with our schemas: its roles, and the port of the server or of a pooler before it."""
    with ExitStack() as opened:
        server = opened.enter_context(other_postgres(17))
        roles = Roles(folder / "roles")
        passwords = await schemas(server, roles)
        port = server["port"] if mode is None else opened.enter_context(pooler(server, mode, passwords))
        yield roles, port


@pytest.mark.parametrize("mode", [None, "session"])
async def test_the_whole_chain(mode: str | None) -> None:
    with throwaway_folder() as folder:
        async with database(mode, folder) as (roles, port):
            settings = settings_in(folder, ("essex",))
            async with Suite(over(settings, roles, port, {})) as suite:
                feed = await enrol(suite, "essex", "chain")
                old = await append_duplicates_alerts(suite, feed)
            async with Suite(over(settings, roles, port, SHORT)) as suite:
                await purged(suite, old)
        await erase(settings.folder)


async def append_duplicates_alerts(suite: Suite, feed: EnrolledFeed) -> datetime:
    """Reads, resends and differing resends, an alert, deliveries. When the oldest read was captured."""
    await import_plates(suite, "essex", ["KV63WYX"])
    old = datetime.now(UTC) - timedelta(days=3)
    maker = ReadMaker(feed)
    reads = [maker.one("AB12CDE") for _ in range(100)] + [maker.one("KV63WYX")]
    reads.append(maker.one("AB12CDE", captured_at=int(old.timestamp() * 1e6)))
    async with public_channel(suite) as channel:
        assert (await submit_reads(channel, feed.token, reads)).ack.accepted == len(reads)
        reads[7].vrm = "OTHER1"
        again = (await submit_reads(channel, feed.token, reads)).ack
    assert (again.duplicate, [(each.index, each.reason) for each in again.warnings]) == (
        len(reads),
        [(7, DIFFERS)],
    )
    await arrived(
        suite,
        [("essex", each.camera_id, each.captured_at.ToMicroseconds(), each.read_id) for each in reads],
        within=120,
    )

    async def alerted() -> bool:
        return len(await alerts_of(suite, "essex")) == 1

    await eventually(alerted, within=60, what="one alert")
    return old


async def purged(suite: Suite, old: datetime) -> None:
    """Wait until the day of the oldest read is deleted."""

    async def certificates() -> list[tuple[str, int]]:
        async with open_channel(suite.address("store"), suite.person()) as channel:
            found = BufferClient(channel).purge_certificates("essex")
            return [(each.day, each.reads) async for each in found]

    assert await eventually(certificates, within=60, what="a purge") == [(old.date().isoformat(), 1)]


async def test_a_pooler_in_transaction_mode_is_named() -> None:
    with throwaway_folder() as folder:
        async with database("transaction", folder) as (roles, port):
            settings = over(settings_in(folder, ("essex",)), roles, port, {})
            with pytest.raises(SuiteError, match="is a pooler in transaction mode, which takes a service's"):
                async with Suite(settings):
                    pass
        await erase(settings.folder)


@pytest.mark.parametrize("service", SERVICES)
async def test_an_older_version_is_refused_in_one_sentence(suite: Suite, service: str) -> None:
    with other_postgres(15) as server:
        try:
            with pytest.raises(SuiteError) as caught:
                await suite.restart(
                    service,
                    {
                        "GANTRY_DATABASE__HOST": "127.0.0.1",
                        "GANTRY_DATABASE__PORT": str(server["port"]),
                        "GANTRY_DATABASE__NAME": "postgres",
                        "GANTRY_DATABASE__USER": server["user"],
                    },
                )
            said = f"PostgreSQL at 127.0.0.1:{server['port']} is version 15, and Gantry needs 17 or 18; "
            assert f"{service} did not start: {said}upgrade it" in str(caught.value)
        finally:
            await suite.restart(service)
