"""The audit trail: whole, in order, and loud when it is not."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1 import audit_pb2

from chassis.errors import Forbidden, InvalidInput
from chassis.settings import DatabaseSettings
from clients.store import AuditClient
from tests.contract.store.conftest import RunningStore, StartStore
from tests.postgres_server import SharedServer

PURPOSE = Purpose(reason="wanted vehicles of the week", reference="H-7")
IMPORT = audit_pb2.AUDIT_ACTION_IMPORT_HOTLIST
# By force: what is done to its chain of six, to which records, and the first that does not fit then.
TAMPERING = {
    "a": ("update audit_records set subject = 'other'", "number = 3", 3),
    "b": ("update audit_records set person = 'somebody'", "number = 1", 1),
    "c": ("delete from audit_records", "number = 4", 4),
    "d": ("delete from audit_records", "number = 6", 6),
    "e": ("delete from audit_records", "true", 1),
    "f": ("update audit_chains set number = 7", "true", 7),
}
REFUSED_RECORDS = [
    (("essex", "pat", IMPORT, Purpose(), ""), "PURPOSE_REQUIRED"),
    (("essex", "", IMPORT, PURPOSE, ""), "PERSON_INVALID"),
    (("essex", "pat", audit_pb2.AUDIT_ACTION_UNSPECIFIED, PURPOSE, ""), "ACTION_INVALID"),
    (("essex", "pat", 99, PURPOSE, ""), "ACTION_INVALID"),
    (("essex", "pat", IMPORT, PURPOSE, "x" * 501), "SUBJECT_INVALID"),
    (("essex", "pat", IMPORT, PURPOSE, "a\0b"), "SUBJECT_INVALID"),
    (("Essex", "pat", IMPORT, PURPOSE, ""), "FORCE_INVALID"),
]


async def writer(store: RunningStore, service: str = "match") -> AuditClient:
    return AuditClient(await store.channel_of_service(service))


async def test_a_record_says_who_did_what_and_why(store: RunningStore) -> None:
    match, auditor = await writer(store), await store.auditor("ada", "essex")
    assert await match.record("essex", "pat", IMPORT, PURPOSE, "week 12") == 1
    (record,) = [each async for each in auditor.records("essex")]
    assert (record.number, record.service, record.person, record.action) == (1, "match", "pat", IMPORT)
    assert (record.purpose, record.subject) == (PURPOSE, "week 12")
    assert abs(record.recorded_at.ToMicroseconds() - store.clock()) < 60_000_000
    assert len(record.hash) == 32


async def test_records_written_at_once_by_replicas_make_one_chain(start_store: StartStore) -> None:
    stores = [await start_store(), await start_store()]
    writers = [await writer(each) for each in stores for _ in range(4)]
    numbers = await asyncio.gather(
        *(each.record("essex", f"p{n}", IMPORT, PURPOSE, "") for each in writers for n in range(8))
    )
    assert sorted(numbers) == list(range(1, 65))
    auditor = await stores[0].auditor("ada", "essex")
    listed = [record.number async for record in auditor.records("essex", page_size=10)]
    assert listed == list(range(64, 0, -1))
    verdict = await auditor.verify("essex")
    assert (verdict.records, verdict.first_broken) == (64, 0)


async def test_an_empty_chain_is_whole(store: RunningStore) -> None:
    verdict = await (await store.auditor("ada", "essex")).verify("essex")
    assert (verdict.records, verdict.first_broken) == (0, 0)


async def test_whoever_gets_round_the_database_is_found_out(
    store: RunningStore, postgres_server: SharedServer, database_settings: DatabaseSettings
) -> None:
    match = await writer(store)
    for force in TAMPERING:
        for number in range(6):
            await match.record(force, "pat", IMPORT, PURPOSE, f"list {number}")
    superuser = await asyncpg.connect(**postgres_server.postgres.superuser(database_settings.name))
    try:
        await superuser.execute("set session_replication_role = replica")
        await superuser.execute("set search_path = store")
        for force, (change, condition, _) in TAMPERING.items():
            of_force = f"force_no = (select force_no from forces where force = '{force}')"
            await superuser.execute(f"{change} where {of_force} and {condition}")
    finally:
        await superuser.close()
    for force, (*_, first_broken) in TAMPERING.items():
        verdict = await (await store.auditor("ada", force)).verify(force)
        assert (verdict.records, verdict.first_broken) == (first_broken - 1, first_broken)


async def test_a_record_that_says_too_little_is_refused(store: RunningStore) -> None:
    match = await writer(store)
    for record, reason in REFUSED_RECORDS:
        with pytest.raises(InvalidInput) as refused:
            await match.record(*record)
        assert refused.value.reason == reason


async def test_only_services_write_and_only_people_read(store: RunningStore) -> None:
    person, match = await store.auditor("ada", "essex"), await writer(store)
    with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
        await person.record("essex", "ada", IMPORT, PURPOSE, "")
    with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
        await anext(match.records("essex"))
    with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
        await match.verify("essex")
