"""Calls about a force that does not exist are refused, and create nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import grpc
import pytest
from gantry.common.v1.access_pb2 import access
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_SEARCH_READS

from chassis.client import open_channel
from chassis.settings import TlsSettings
from suite.database import SERVICES
from suite.suite import Suite
from tests.e2e.contract import Rpc, fault_of, name_force, rpcs
from tests.e2e.marks import SHARED_SUITE

pytestmark = SHARED_SUITE

NOWHERE = "nowhere-at-all"
PERSON = "hopeful"
RPCS = [
    rpc
    for rpc in rpcs()
    if (rule := rpc.descriptor.GetOptions().Extensions[access]).force_field and not rule.force_is_new
]
# What else a request needs, so that nothing but the force is wrong with it.
OTHER_FIELDS = {"consumer": "match", "person": PERSON, "action": AUDIT_ACTION_SEARCH_READS}
COUNTED = (
    *("store.forces", "store.consumers", "store.cameras", "store.audit_chains", "store.audit_records"),
    *("match.lines", "match.line_cursors", "match.hotlists", "match.alert_events"),
    *("nas_bridge.lines", "nas_bridge.line_cursors", "nas_bridge.destinations"),
    *("ingest.feeds", "ingest.cameras"),
)
TABLES = """
    select format('%I.%I', nspname, relname) from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname = any ($1) and relkind in ('r', 'p') and not relispartition"""
LOGS = """
    select inhrelid::regclass::text from pg_inherits where inhparent = 'store.reads'::regclass"""

# Canaries of the forces that there are come at any time.
COUNT = "select count(*) from {table} t where strpos(t::text, 'canary') = 0"

assert len(RPCS) > 25
assert {rpc.process for rpc in RPCS} == set(SERVICES)


@pytest.mark.parametrize("process", SERVICES)
async def test_it_is_unknown_to_every_rpc_and_stays_so(suite: Suite, process: str) -> None:
    async with _nothing_is_created(suite):
        for _ in range(2):
            await asyncio.gather(*(_is_unknown(suite, rpc) for rpc in RPCS if rpc.process == process))


async def _is_unknown(suite: Suite, rpc: Rpc) -> None:
    """The RPC refuses the force to each caller that it admits."""
    rule = rpc.descriptor.GetOptions().Extensions[access]
    request = rpc.request()
    assert name_force(request, NOWHERE)
    for field, value in OTHER_FIELDS.items():
        if field in request.DESCRIPTOR.fields_by_name:
            setattr(request, field, value)
    callers = [suite.service("match" if name == "*" else name) for name in rule.services]
    if rule.people:
        callers.append(suite.person(PERSON, [NOWHERE]))
    assert callers
    await asyncio.gather(*(_is_unknown_to(suite, rpc, tls, request) for tls in callers))


async def _is_unknown_to(suite: Suite, rpc: Rpc, tls: TlsSettings, request: object) -> None:
    async with open_channel(suite.address(rpc.process), tls) as channel:
        fault = await fault_of(channel, rpc, request)  # type: ignore[arg-type]
    assert fault is not None, f"{rpc} answered"
    assert (fault.status, fault.reason) == (grpc.StatusCode.NOT_FOUND, "FORCE_UNKNOWN"), str(rpc)


@asynccontextmanager
async def _nothing_is_created(suite: Suite) -> AsyncIterator[None]:
    connection = await asyncpg.connect(**suite.postgres.superuser("gantry"))
    try:
        before = await _counted(connection)
        yield
        assert await _counted(connection) == before
        for (table,) in await connection.fetch(TABLES, list(SERVICES)):
            query = f"select count(*) from {table} t where strpos(t::text, $1) > 0"
            assert await connection.fetchval(query, NOWHERE) == 0, table
    finally:
        await connection.close()


async def _counted(connection: asyncpg.Connection) -> Mapping[str, int]:
    counts = {table: await connection.fetchval(COUNT.format(table=table)) for table in COUNTED}
    return {**counts, "logs": len(await connection.fetch(LOGS))}
