"""Two forces that share everything except their data: neither can read the other's, whatever it sends."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

import asyncpg
import grpc
import pytest
import pytest_asyncio
from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from gantry.match.v1 import alert_pb2, alert_pb2_grpc
from gantry.store.v1 import search_pb2

from chassis.client import open_channel
from chassis.database import connect
from chassis.errors import fault_from
from suite.database import SERVICES
from suite.suite import Suite
from tests.e2e.contract import Rpc, fault_of, name_force, rpcs_with_a_force
from tests.e2e.door import JPEG, EnrolledFeed, ReadMaker, enrol, public_channel, submit_reads
from tests.e2e.hotlists import import_plates
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import (
    PURPOSE,
    alerts_of,
    dead_letters,
    found_by,
    identity_of,
    log_of,
    nationally_accepted,
    search_for,
    settled,
)

pytestmark = SHARED_SUITE

OURS, THEIRS = "medway", "humber"
PLATES = ("WX68YKV", "WX68YKT", "WX68YKR")
TWIN = "twin-cam"
SPY = "spy"
DIRECTORY = {"store.forces", "store.force_settings"}
"""Every transaction may read which forces there are. Only one that declared a force may change its rows."""

TABLES = """
    select format('%I.%I', nspname, relname) from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname = $1 and relkind in ('r', 'p')"""
READABLE = f"{TABLES} and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')"
GUARDED = f"{TABLES} and not relispartition and relrowsecurity and relforcerowsecurity"
OPEN_PARTITIONS = f"""{TABLES} and relispartition and has_table_privilege(c.oid, 'select')
    and not (relrowsecurity and relforcerowsecurity)"""
COLUMNS = """
    select attname from pg_attribute
    where attrelid = $1::text::regclass and attnum > 0 and not attisdropped"""


@dataclass(frozen=True)
class Twins:
    """The same camera names, read ids, times and plates in two forces; only one of them has a hotlist."""

    ours: EnrolledFeed
    theirs: EnrolledFeed
    reads: Sequence[SubmittedRead]
    extra: SubmittedRead


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def twins(suite: Suite) -> Twins:
    ours = await enrol(suite, OURS, "twin", (TWIN,))
    theirs = await enrol(suite, THEIRS, "twin", (TWIN,))
    await import_plates(suite, THEIRS, PLATES)
    maker = ReadMaker(ours, "twin")
    reads = [maker.one(plate, plate_patch=JPEG) for plate in PLATES]
    extra = maker.one(PLATES[0], overview=JPEG)
    async with public_channel(suite) as channel:
        for feed, batch in ((ours, reads), (theirs, [*reads, extra])):
            answer = await submit_reads(channel, feed.token, batch)
            assert answer.ack.accepted == len(batch)
    await settled(suite, OURS, len(reads))
    await settled(suite, THEIRS, len(reads) + 1)
    return Twins(ours, theirs, reads, extra)


async def test_the_same_read_of_two_forces_is_two_reads(suite: Suite, twins: Twins) -> None:
    for force, count in ((OURS, 3), (THEIRS, 4)):
        log = [entry.identity for entry in await log_of(suite, force)]
        assert len(log) == count
        for name in suite.settings.destinations:
            assert sorted(await nationally_accepted(suite, name, force)) == sorted(log)


async def test_a_list_alerts_its_own_force_only(suite: Suite, twins: Twins) -> None:
    assert await alerts_of(suite, OURS) == []
    alerts = await alerts_of(suite, THEIRS)
    assert len(alerts) == 4
    assert {identity_of(alert)[0] for alert in alerts} == {THEIRS}


async def test_a_search_finds_only_reads_of_the_callers_forces(suite: Suite, twins: Twins) -> None:
    request = search_pb2.SearchReadsRequest(purpose=PURPOSE, vrm=PLATES[0], forces=[OURS])
    async with search_for(suite, SPY, [OURS]) as search:
        found = await found_by(search, request)
        assert [(each.read.force, each.read.read_id) for each in found] == [(OURS, twins.reads[0].read_id)]
        request.forces.append(THEIRS)
        await _is_forbidden(found_by(search, request))
    async with search_for(suite, "both", [OURS, THEIRS]) as search:
        assert len(await found_by(search, request)) == 3


async def test_positions_and_names_of_the_other_force_lead_nowhere(suite: Suite, twins: Twins) -> None:
    """A position is a number in a force's own log: it finds the caller's read of that number, or none."""
    ours = {each.position: each.identity for each in await log_of(suite, OURS)}
    theirs = {each.position: each.identity for each in await log_of(suite, THEIRS)}
    assert twins.extra.read_id in {identity[3] for identity in theirs.values()}
    assert theirs.keys() - ours.keys(), "they have more reads than we"
    async with search_for(suite, SPY, [OURS]) as search:
        by_id = search_pb2.GetReadRequest(force=OURS, purpose=PURPOSE, read_id=twins.extra.read_id)
        await _ends(search.GetRead(by_id), "READ_UNKNOWN")
        for position in theirs:
            by_position = search_pb2.GetReadRequest(force=OURS, purpose=PURPOSE, position=position)
            image = search_pb2.GetImageRequest(
                force=OURS, purpose=PURPOSE, position=position, kind=search_pb2.IMAGE_KIND_OVERVIEW
            )
            if position in ours:
                found = (await search.GetRead(by_position)).read.read
                assert (found.force, found.read_id) == (OURS, ours[position][3])
                await _ends(search.GetImage(image), "IMAGE_ABSENT")
            else:
                await _ends(search.GetRead(by_position), "READ_UNKNOWN")
                await _ends(search.GetImage(image), "READ_UNKNOWN")


async def test_numbers_and_tokens_of_the_other_force_are_worth_nothing(suite: Suite, twins: Twins) -> None:
    async with open_channel(suite.address("match"), suite.person("both", [OURS, THEIRS])) as channel:
        stub = alert_pb2_grpc.AlertServiceStub(channel)
        start = alert_pb2.SubscribeRequest(force=THEIRS, purpose=PURPOSE, earliest=True)
        call = stub.Subscribe(start, timeout=10)
        first = await call.read()
        assert isinstance(first, alert_pb2.SubscribeResponse)
        call.cancel()
    async with open_channel(suite.address("match"), suite.person(SPY, [OURS])) as channel:
        stub = alert_pb2_grpc.AlertServiceStub(channel)
        ahead = alert_pb2.SubscribeRequest(force=OURS, purpose=PURPOSE, after_number=first.number)
        await _ends(stub.Subscribe(ahead, timeout=10).read(), "NUMBER_AHEAD")
        alert_id = first.event.alert_id
        acknowledgement = alert_pb2.AcknowledgeRequest(force=OURS, alert_id=alert_id, purpose=PURPOSE)
        await _ends(stub.Acknowledge(acknowledgement), "ALERT_UNKNOWN")
        look = alert_pb2.GetAlertRequest(force=OURS, alert_id=alert_id, purpose=PURPOSE)
        await _ends(stub.GetAlert(look), "ALERT_UNKNOWN")
    async with search_for(suite, "both", [OURS, THEIRS]) as search:
        request = search_pb2.SearchReadsRequest(purpose=PURPOSE, vrm=PLATES[0], forces=[THEIRS], page_size=1)
        page = await search.SearchReads(request).read()
        assert isinstance(page, search_pb2.SearchReadsResponse)
        assert page.next_page_token
        other = search_pb2.SearchReadsRequest(
            purpose=PURPOSE, vrm=PLATES[0], forces=[OURS], page_size=1, page_token=page.next_page_token
        )
        await _ends(found_by(search, other), "PAGE_TOKEN_INVALID")


async def test_a_feed_cannot_speak_for_the_other_force(suite: Suite, twins: Twins) -> None:
    maker = ReadMaker(twins.ours)
    async with public_channel(suite) as channel:
        ack = (await submit_reads(channel, twins.ours.token, [maker.one(PLATES[0], force=THEIRS)])).ack
    assert (ack.accepted, [each.field for each in ack.rejections]) == (0, ["force"])


@pytest.mark.parametrize("rpc", rpcs_with_a_force(), ids=str)
async def test_no_rpc_believes_a_forged_force(suite: Suite, twins: Twins, rpc: Rpc) -> None:
    request = rpc.request()
    assert name_force(request, THEIRS)
    async with open_channel(suite.address(rpc.process), suite.person(SPY, [OURS])) as channel:
        fault = await fault_of(channel, rpc, request)
    assert fault is not None, f"{rpc} answered"
    assert fault.status is grpc.StatusCode.PERMISSION_DENIED
    assert fault.reason in {"FORCE_NOT_PERMITTED", "CALLER_NOT_ALLOWED"}
    assert THEIRS not in fault.message


@pytest.mark.parametrize("rpc", rpcs_with_a_force(), ids=str)
async def test_a_person_of_no_force_has_none(suite: Suite, rpc: Rpc) -> None:
    request = rpc.request()
    name_force(request, THEIRS)
    async with open_channel(suite.address(rpc.process), suite.person("nobody-s", [])) as channel:
        fault = await fault_of(channel, rpc, request)
    assert fault is not None
    assert fault.status is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("declared", [None, "", OURS, f"{OURS}x,{THEIRS[:-1]}", "%"])
async def test_the_database_shows_only_forces_that_were_declared(
    suite: Suite, twins: Twins, service: str, declared: str | None
) -> None:
    guarded = await _guarded_tables(suite, service)
    assert guarded or service == "ingest"
    async with connect(suite.database(service)) as connection, connection.transaction():
        if declared is not None:
            await connection.execute("select set_config('gantry.forces', $1, true)", declared)
        for table, expression in guarded.items():
            if table in DIRECTORY:
                continue
            try:
                async with connection.transaction():
                    shown = await _rows(connection, f"select distinct {expression} as force from {table}")
            except asyncpg.InsufficientPrivilegeError:
                # The role may not read the table at all.
                continue
            assert set(shown) <= ({OURS} if declared == OURS else set()), table


async def test_the_tables_with_reads_and_alerts_are_guarded(suite: Suite, twins: Twins) -> None:
    found = {service: set(await _guarded_tables(suite, service)) for service in SERVICES}
    assert {"store.reads", "store.appends"} <= found["store"]
    assert {"match.alerts", "match.entries"} <= found["match"]
    assert {"nas_bridge.receipts", "nas_bridge.dead_letters"} <= found["nas_bridge"]
    assert await dead_letters(suite, OURS, "nas") == []


async def test_a_service_s_role_sees_no_other_service_s_schema(suite: Suite) -> None:
    for service in SERVICES:
        async with connect(suite.database(service)) as connection:
            for other in set(SERVICES) - {service}:
                assert await _rows(connection, READABLE, other) == [], f"{service} reads {other}"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_partition_cannot_be_read_without_its_table(suite: Suite, twins: Twins, service: str) -> None:
    async with connect(suite.database(service)) as connection:
        assert await _rows(connection, OPEN_PARTITIONS, service) == []


async def _guarded_tables(suite: Suite, service: str) -> dict[str, str]:
    """Tables with forced row-level security, and how a row's force is called in each."""
    admin = await asyncpg.connect(**suite.postgres.superuser("gantry"))
    try:
        tables = await _rows(admin, GUARDED, service)
        return {table: await _force_expression(admin, table) for table in tables}
    finally:
        await admin.close()


async def _force_expression(admin: asyncpg.Connection, table: str) -> str:
    columns = set(await _rows(admin, COLUMNS, table))
    if "force" in columns:
        return "force"
    if "force_no" in columns:
        return "(select force from store.forces f where f.force_no = " + table + ".force_no)"
    if "load_no" in columns:
        return "(select force from match.loads l where l.load_no = " + table + ".load_no)"
    return "'a force that was not declared'"


async def _rows(connection: asyncpg.Connection, query: str, *arguments: object) -> list[str]:
    return [row[0] for row in await connection.fetch(query, *arguments)]


async def _is_forbidden(call: Awaitable[object]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    fault = fault_from(caught.value)
    assert (fault.status, fault.reason) == (grpc.StatusCode.PERMISSION_DENIED, "FORCE_NOT_PERMITTED")


async def _ends(call: Awaitable[object], reason: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert fault_from(caught.value).reason == reason
