"""Who may do what: by certificate, by purpose, by force, and in the database itself."""

from __future__ import annotations

import asyncpg
import pytest
from gantry.common.v1.purpose_pb2 import Purpose

from chassis.database import connect
from chassis.errors import Fault, Forbidden, NotFound
from services.match.hotlists.postgres import LEASE, SQL
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import FORCE, load, load_csv, replica, until_matched
from tests.contract.match.served import WHY, chunks_of, header
from tests.contract.match.test_subscribing import ask, until_caught_up

NO_PURPOSE = [Purpose(), Purpose(justification="x"), Purpose(justification="  \t ")]


async def reason_of(call) -> str:
    with pytest.raises(Fault) as caught:
        await call
    return caught.value.reason


async def test_services_may_only_ask_how_far_matching_is(served):
    match = await served()
    channel = await match.channel(match.pki.issue_service("nas_bridge"))
    match.channels["service"] = channel
    alerts, hotlists = await match.alerts("service"), await match.hotlists("service")
    assert (await alerts.status("essex")).position == 0
    for call in (
        until_caught_up(alerts, ask()),
        alerts.acknowledge("essex", "1", WHY),
        alerts.alert("essex", "1", WHY),
        hotlists.hotlists("essex"),
        hotlists.import_csv(header(), chunks_of(b"vrm,reason\nA1,x\n")),
    ):
        assert await reason_of(call) == "CALLER_NOT_ALLOWED"


async def test_a_person_of_another_force_gets_nothing(served):
    match = await served()
    alerts = await match.alerts("kim", forces=("kent",))
    hotlists = await match.hotlists("kim", forces=("kent",))
    for call in (
        until_caught_up(alerts, ask()),
        alerts.acknowledge("essex", "1", WHY),
        alerts.status("essex"),
        hotlists.hotlists("essex"),
        hotlists.import_csv(header(), chunks_of(b"vrm,reason\nA1,x\n")),
    ):
        with pytest.raises(Forbidden) as caught:
            await call
        assert caught.value.reason == "FORCE_NOT_PERMITTED"
    assert match.audit.records == []


async def test_a_force_that_is_not_in_the_directory_is_unknown(served):
    match = await served(forces=("kent",))
    with pytest.raises(NotFound) as caught:
        await (await match.alerts()).status("essex")
    assert caught.value.reason == "FORCE_UNKNOWN"
    alerts, status = match.match.alerts, await match.match.alerts.status("essex")
    assert (status.position, status.entries, await alerts.last_number("essex")) == (0, 0, 0)


@pytest.mark.parametrize("purpose", NO_PURPOSE)
async def test_no_look_and_no_change_without_a_purpose(served, purpose):
    match = await served()
    alerts, hotlists = await match.alerts(), await match.hotlists()
    request = ask(earliest=True)
    request.purpose.CopyFrom(purpose)
    for call in (
        until_caught_up(alerts, request),
        alerts.acknowledge("essex", "1", purpose),
        alerts.alert("essex", "1", purpose),
        hotlists.import_csv(header(purpose=purpose), chunks_of(b"vrm,reason\nA1,x\n")),
    ):
        assert await reason_of(call) == "PURPOSE_REQUIRED"
    assert match.audit.records == []


async def test_every_look_and_act_is_recorded_first(served, log):
    match = await served()
    await load(match.match, "AB12CDE,Stolen")
    await until_matched(match.match, log.append(Seen("AB12CDE")))
    client = await match.alerts()
    await client.acknowledge("essex", "1", WHY)
    assert match.audit.records == [("essex", "ana", 5, WHY.justification, "alert_id 1")]
    match.audit.fault = NotFound("TRAIL_GONE", "no")
    assert await reason_of(until_caught_up(client, ask(earliest=True))) == "TRAIL_GONE"
    assert await reason_of(client.acknowledge("essex", "1", WHY)) == "TRAIL_GONE"


async def test_the_database_shows_a_transaction_only_the_forces_it_declared(match_database, log):
    async with replica(match_database, log, forces=("essex", "kent")) as match:
        await load(match, "AB12CDE,Stolen")
        await load_csv(match, b"vrm,reason\nAB12CDE,kent's\n", force="kent")
        await until_matched(match, log.append(Seen("AB12CDE")))
        await until_matched(match, log.head, "kent")
    counted = "select (select count(*) from {}) as n"
    tables = ("hotlists", "imports", "loads", "entries", "alerts", "alert_events", "alert_sequences")
    async with connect(match_database) as connection:
        for declared, seen in ((None, 0), ("", 0), ("essex", 1), ("essex,kent", 2), ("surrey", 0)):
            async with connection.transaction():
                if declared is not None:
                    await connection.execute("select set_config('gantry.forces', $1, true)", declared)
                for table in tables:
                    found = await connection.fetchval(counted.format(table))
                    assert found >= seen if seen else found == 0, (table, declared)
                hotlists = await connection.fetch("select force from hotlists order by force")
                assert len(hotlists) == seen


async def test_the_database_refuses_rows_of_a_force_that_was_not_declared(match_database):
    async with connect(match_database) as connection:
        await connection.execute("select set_config('gantry.forces', 'kent', false)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(SQL["begin_load"], FORCE, LEASE)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from alerts",
        "update alerts set reason = ''",
        "update alerts set acknowledged_number = null",
        "delete from alert_events",
        "update alert_events set person = ''",
        "delete from alert_sequences",
        "insert into entries select",
        "delete from loads",
        "drop table entries",
        "create table mine ()",
        "truncate alerts",
        "truncate alert_events",
    ],
)
async def test_the_running_service_cannot_rewrite_history(match_database, statement):
    async with connect(match_database) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_a_sealed_load_takes_no_more_rows_and_a_used_one_stays(match_database, log):
    async with replica(match_database, log) as match:
        await load(match, "A1,x")
    async with connect(match_database) as connection:
        await connection.execute("select set_config('gantry.forces', 'essex', false)")
        load_no = await connection.fetchval("select load_no from hotlists")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"insert into entries_{load_no} select * from entries")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"select * from entries_{load_no}")
        assert await connection.fetchval(SQL["drop_load"], load_no) is False
