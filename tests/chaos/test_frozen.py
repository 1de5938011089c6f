"""A frozen process keeps its connections and answers nothing: others take over, and a thaw changes nothing.

Where it is the only one of its kind, its health says so meanwhile and all goes on when it thaws.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from gantry_sdk import Connection

from suite.database import SERVICES
from suite.plan import replica_name
from suite.suite import Suite, erase
from tests.chaos.flow import Stopwatch, flowing
from tests.chaos.observers import observing
from tests.chaos.progress import all_goes_on, owners, rows
from tests.chaos.replicas import doubled_suite
from tests.chaos.verdict import nothing_is_lost_or_doubled
from tests.e2e.door import connected
from tests.e2e.health import is_serving
from tests.e2e.machine import settings_in
from tests.e2e.waiting import eventually
from tests.postgres_server import throwaway_folder

pytestmark = pytest.mark.timeout(600)

BOUNDS = {"store": 20.0, "match": 20.0, "nas_bridge": 20.0, "ingest": 25.0}
"""A lease lasts 10 s, a follower waits 15 s, a keep-alive comes after 10 s and is missed after 5 s."""
AFTER_A_THAW = 10.0
NOTICED_WITHIN = 10.0
LONGEST_TRANSACTION = 15.0
"""An idle transaction lasts 10 s."""
OPEN_TRANSACTIONS = """
select coalesce(max(extract(epoch from now() - xact_start)), 0) from pg_stat_activity
where usename like 'gantry%' and state <> 'idle' and backend_type = 'client backend'
"""
SESSION_LOCKS = """
select count(*) from pg_locks where locktype = 'advisory'
"""


async def test_beside_a_frozen_replica_of_each_service_all_goes_on(
    record_property: Callable[[str, object], None],
) -> None:
    watch = Stopwatch()
    async with doubled_suite("essex", "kent") as doubled, _vendors(doubled.suite, doubled.door) as connection:
        suite = doubled.suite
        async with observing(suite, store=doubled.store, match=doubled.match) as (tails, rooms):
            async with flowing(suite, connection, 3, tick=0.2) as flow:
                await flow.goes_on(50, within=30)
                for service in SERVICES:
                    async with _frozen(suite, replica_name(service, 2)):
                        started = watch.start()
                        await all_goes_on(suite, flow, within=BOUNDS[service], what=f"a freeze of {service}")
                        watch.stop(service, started)
                        # It holds neither a lock of the whole database nor an old transaction.
                        assert (await rows(suite, SESSION_LOCKS))[0][0] == 0
                        assert (await rows(suite, OPEN_TRANSACTIONS))[0][0] < LONGEST_TRANSACTION
                    await all_goes_on(suite, flow, within=AFTER_A_THAW, what=f"a thaw of {service}")
                    await suite.process(replica_name(service, 2)).ready()
            # The thawed replicas wrote nothing that others had written, and nothing is missing.
            await nothing_is_lost_or_doubled(suite, flow, tails, rooms)
        assert None not in (await owners(suite)).values()
    record_property("recovery_seconds", str(watch.longest()))


@asynccontextmanager
async def _vendors(suite: Suite, door: str) -> AsyncIterator[Connection]:
    authority = suite.authority.certificate
    async with Connection(door, authority=authority, server_name="localhost", channels=4) as connection:
        yield connection


@asynccontextmanager
async def _frozen(suite: Suite, process: str) -> AsyncIterator[None]:
    suite.process(process).send(signal.SIGSTOP)
    try:
        yield
    finally:
        suite.process(process).send(signal.SIGCONT)


async def test_the_only_process_of_a_service_is_frozen_for_a_while() -> None:
    """Its health does not answer; the others that need it say so or go on; after the thaw all arrives."""
    with throwaway_folder() as folder:
        settings = settings_in(folder, ("essex",))
        async with (
            Suite(settings) as suite,
            connected(suite) as connection,
            observing(suite) as (tails, rooms),
        ):
            async with flowing(suite, connection, 4, tick=0.2) as flow:
                await flow.goes_on(20, within=30)
                for service in SERVICES:
                    async with _frozen(suite, service):
                        await _noticed(suite, service)
                        assert {each for each in SERVICES if await is_serving(suite, each)} >= _SURE[service]
                    await all_goes_on(suite, flow, within=BOUNDS[service], what=f"a thaw of {service}")
                    await suite.process(service).ready()
            await nothing_is_lost_or_doubled(suite, flow, tails, rooms)
        await erase(settings.folder)


# Services that do not depend on a frozen one.
_SURE = {
    "ingest": {"store", "match", "nas_bridge"},
    "store": set[str](),
    "match": {"store", "ingest"},
    "nas_bridge": {"store", "ingest", "match"},
}


async def _noticed(suite: Suite, service: str) -> None:
    async def silent() -> bool:
        return not await is_serving(suite, service)

    started = time.monotonic()
    await eventually(silent, within=NOTICED_WITHIN, what=f"the silence of {service}'s health")
    assert time.monotonic() - started < NOTICED_WITHIN
    # Longer than a lease lasts, so that all of it is tried.
    await asyncio.sleep(12)


async def test_a_store_that_is_frozen_in_an_audit_record_or_a_purge_keeps_nobody_out() -> None:
    """Whatever statement it was in: PostgreSQL finishes that one, or ends its session."""
    with throwaway_folder() as folder:
        settings = settings_in(folder, ("essex",))
        async with Suite(settings) as suite, _frozen(suite, "store"):
            connection = await asyncpg.connect(**suite.postgres.superuser("gantry"))
            try:
                await connection.execute("set lock_timeout = '12s'")
                for table in (
                    "forces",
                    "audit_chains",
                    "consumers",
                    "days",
                    "retention_turn",
                    "directory",
                ):
                    async with connection.transaction():
                        await connection.execute(f"lock table store.{table} in access exclusive mode")
            finally:
                await connection.close()
        await erase(settings.folder)
