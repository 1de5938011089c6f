"""The audit trail: whole, in order, and loud when it is not."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from gantry.common.v1.audit_action_pb2 import (
    AUDIT_ACTION_CHANGE_CAMERAS,
    AUDIT_ACTION_IMPORT_HOTLIST,
    AUDIT_ACTION_UNSPECIFIED,
    AUDIT_ACTION_VIEW_ALERTS,
)
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1 import audit_pb2

from chassis.errors import Forbidden, InvalidInput, NotFound
from chassis.settings import DatabaseSettings
from clients.answer import answer_of
from clients.audit import AuditClient
from tests.contract.store.conftest import RunningStore, StartStore
from tests.postgres_server import SharedServer

PURPOSE = Purpose(
    code="weekly", reference="H-7", justification="wanted vehicles of the week", approval_id="A-3"
)
IMPORT = AUDIT_ACTION_IMPORT_HOTLIST
# By force: what is done to its chain of six, to which records, and the first that does not fit then.
TAMPERING = {
    "a": ("update audit_records set subject = 'other'", "number = 3", 3),
    "b": ("update audit_records set person = 'somebody'", "number = 1", 1),
    "c": ("delete from audit_records", "number = 4", 4),
    "d": ("delete from audit_records", "number = 6", 6),
    "e": ("delete from audit_records", "true", 1),
    "f": ("update audit_chains set number = 7", "true", 7),
    "g": ("update audit_records set code = ''", "number = 2", 2),
    "h": ("update audit_records set approval_id = 'A-4'", "number = 5", 5),
    "i": ("update audit_chains set number = 5", "true", 6),
}
REFUSED_RECORDS = [
    (("essex", "pat", IMPORT, Purpose(), ""), "PURPOSE_REQUIRED"),
    (("essex", "pat", AUDIT_ACTION_VIEW_ALERTS, None, ""), "PURPOSE_REQUIRED"),
    (("essex", "pat", AUDIT_ACTION_CHANGE_CAMERAS, Purpose(code="week"), ""), "PURPOSE_REQUIRED"),
    (("essex", "", IMPORT, PURPOSE, ""), "PERSON_INVALID"),
    (("essex", "p" * 201, IMPORT, PURPOSE, ""), "PERSON_INVALID"),
    (("essex", "pat", AUDIT_ACTION_UNSPECIFIED, PURPOSE, ""), "ACTION_INVALID"),
    (("essex", "pat", 99, PURPOSE, ""), "ACTION_INVALID"),
    (("essex", "pat", IMPORT, PURPOSE, "x" * 501), "SUBJECT_INVALID"),
    (("essex", "pat", IMPORT, PURPOSE, "a\0b"), "TEXT_INVALID"),
    (("Essex", "pat", IMPORT, PURPOSE, ""), "FORCE_INVALID"),
]


async def writer(store: RunningStore, service: str = "match") -> AuditClient:
    return AuditClient(await store.channel_of_service(service))


async def test_a_record_says_who_did_what_and_why(store: RunningStore) -> None:
    await store.create("essex")
    match, auditor = await writer(store), await store.auditor("ada", "essex")
    number = await match.record("essex", "pat", IMPORT, PURPOSE, "week 12")
    record = await anext(auditor.records("essex"))
    assert (record.number, record.service, record.person, record.action) == (number, "match", "pat", IMPORT)
    assert (record.purpose, record.subject) == (PURPOSE, "week 12")
    assert abs(record.recorded_at.ToMicroseconds() - store.clock()) < 60_000_000
    assert len(record.hash) == 32


async def test_an_action_whose_rpc_asks_for_no_purpose_needs_none(store: RunningStore) -> None:
    await store.create("essex")
    ingest, auditor = await writer(store, "ingest"), await store.auditor("ada", "essex")
    await ingest.record("essex", "pat", AUDIT_ACTION_CHANGE_CAMERAS, None, "feed north")
    record = await anext(auditor.records("essex"))
    assert (record.action, record.purpose) == (AUDIT_ACTION_CHANGE_CAMERAS, Purpose())


async def test_records_written_at_once_by_replicas_make_one_chain(start_store: StartStore) -> None:
    stores = [await start_store(), await start_store()]
    await stores[0].create("essex")
    writers = [await writer(each) for each in stores for _ in range(4)]
    numbers = await asyncio.gather(
        *(each.record("essex", f"p{n}", IMPORT, PURPOSE, "") for each in writers for n in range(8))
    )
    auditor = await stores[0].auditor("ada", "essex")
    listed = [record.number async for record in auditor.records("essex", page_size=10)]
    assert listed == list(range(len(listed), 0, -1))
    assert set(numbers) <= set(listed)
    assert len(set(numbers)) == 64
    verdict = await auditor.verify("essex")
    assert (verdict.records, verdict.first_broken) == (len(listed), 0)


async def test_a_chain_without_records_is_whole(store: RunningStore) -> None:
    await store.create("essex")
    verdict = await (await store.auditor("ada", "essex")).verify("essex")
    assert verdict.first_broken == 0


async def test_pages_end_with_the_first_record(store: RunningStore) -> None:
    await store.create("essex")
    match = await writer(store)
    while await match.record("essex", "pat", IMPORT, PURPOSE, "") < 6:
        pass
    stub = (await store.auditor("ada", "essex"))._stub
    request, sizes = audit_pb2.ListAuditRecordsRequest(force="essex", page_size=3), []
    while True:
        page = await answer_of(stub.ListAuditRecords(request))
        sizes.append(len(page.records))
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sizes == [3, 3]


async def test_a_page_token_is_good_for_its_trail_alone(store: RunningStore) -> None:
    await store.create("essex", "kent")
    match = await writer(store)
    for force in ("essex", "kent"):
        for _ in range(2):
            await match.record(force, "pat", IMPORT, PURPOSE, "")
    stub = (await store.auditor("ada", "essex", "kent"))._stub
    request = audit_pb2.ListAuditRecordsRequest(force="essex", page_size=1)
    token = (await answer_of(stub.ListAuditRecords(request))).next_page_token
    for force, forged in (("kent", token), ("essex", "rubbish"), ("essex", token[:-4] + "AAAA")):
        request.force, request.page_token = force, forged
        with pytest.raises(InvalidInput, match="PAGE_TOKEN_INVALID"):
            await answer_of(stub.ListAuditRecords(request))


async def test_a_change_behind_the_services_back_is_found(
    store: RunningStore, postgres_server: SharedServer, database_settings: DatabaseSettings
) -> None:
    await store.create(*TAMPERING)
    match = await writer(store)
    for force in TAMPERING:
        while await match.record(force, "pat", IMPORT, PURPOSE, "a list") < 6:
            pass
    superuser = await asyncpg.connect(**postgres_server.postgres.superuser(database_settings.name))
    try:
        await superuser.execute("set session_replication_role = replica")
        await superuser.execute("set search_path = store")
        for force, (change, condition, _) in TAMPERING.items():
            await superuser.execute(f"{change} where force = '{force}' and {condition}")
    finally:
        await superuser.close()
    for force, (*_, first_broken) in TAMPERING.items():
        verdict = await (await store.auditor("ada", force)).verify(force)
        assert (verdict.records, verdict.first_broken) == (first_broken - 1, first_broken), force


async def test_a_record_that_says_too_little_is_refused(store: RunningStore) -> None:
    await store.create("essex")
    match = await writer(store)
    before = await match.record("essex", "pat", IMPORT, PURPOSE, "")
    for record, reason in REFUSED_RECORDS:
        with pytest.raises(InvalidInput) as refused:
            await match.record(*record)
        assert refused.value.reason == reason
    assert await match.record("essex", "pat", IMPORT, PURPOSE, "") == before + 1


async def test_the_trail_of_a_force_that_does_not_exist_is_not_begun(store: RunningStore) -> None:
    match, auditor = await writer(store), await store.auditor("ada", "essex")
    for call in (
        match.record("essex", "pat", IMPORT, PURPOSE, ""),
        anext(auditor.records("essex")),
        auditor.verify("essex"),
    ):
        with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
            await call
    assert await store.rows("select force from audit_chains") == []


async def test_only_services_write_and_only_people_read(store: RunningStore) -> None:
    await store.create("essex")
    person, match = await store.auditor("ada", "essex"), await writer(store)
    with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
        await person.record("essex", "ada", IMPORT, PURPOSE, "")
    with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
        await anext(match.records("essex"))
    with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
        await match.verify("essex")
