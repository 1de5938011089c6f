"""Forces and their directory, as services and people see them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from uuid import uuid4

import pytest
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_CHANGE_FORCES
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1 import forces_pb2
from gantry.store.v1.forces_pb2_grpc import DirectoryServiceStub
from gantry.store.v1.search_pb2 import StoredRead

from chassis.errors import AlreadyExists, Forbidden, InvalidInput, NotFound, Unavailable
from clients.answer import answer_of, answers_of
from clients.directory import DirectoryWatch
from clients.forces import ForceClient
from services.store.forces import watching
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.reads import columns

PURPOSE = Purpose(justification="the force has moved to another cell")
REFUSED_CREATIONS = [
    ({"force": "Essex"}, "FORCE_INVALID"),
    ({"name": "x" * 101}, "NAME_INVALID"),
    ({"name": "Essex\nPolice"}, "NAME_INVALID"),
    ({"name": "  "}, "NAME_INVALID"),
    ({"consumers": [""]}, "CONSUMER_INVALID"),
    ({"consumers": ["nas", "x" * 65]}, "CONSUMER_INVALID"),
    ({"request_id": "1"}, "REQUEST_ID_INVALID"),
    ({"request_id": ""}, "REQUEST_ID_INVALID"),
]


async def administrator(store: RunningStore, *forces: str) -> ForceClient:
    return ForceClient(await store.channel_of_person("ada", *forces))


@asynccontextmanager
async def directory_of(store: RunningStore, service: str = "match") -> AsyncIterator[DirectoryWatch]:
    watch = DirectoryWatch(await store.channel_of_service(service))
    running = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(10):
            await watch.ready()
        yield watch
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def seconds_until(true: Callable[[], bool]) -> float:
    started = time.monotonic()
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    return time.monotonic() - started


async def test_a_force_is_created_and_ready_for_reads_searches_and_retention(store: RunningStore) -> None:
    admin = await administrator(store, "essex")
    created = await admin.create("essex", name="Essex Police", consumers=["nas", "match", "nas"])
    assert (created.code, created.name, created.state) == (
        "essex",
        "Essex Police",
        forces_pb2.FORCE_STATE_ACTIVE,
    )
    assert not created.HasField("retired_at")
    assert await admin.forces() == [created]
    await (await store.log("ingest")).append("essex", columns(3, at_us=store.clock()))
    assert await store.rows("select consumer from consumers order by consumer", "essex") == ["match", "nas"]


async def test_the_name_of_a_force_is_its_code_unless_given(store: RunningStore) -> None:
    assert (await (await administrator(store, "essex")).create("essex")).name == "essex"


async def test_a_repeated_request_creates_once(start_store: StartStore) -> None:
    stores = [await start_store(), await start_store()]
    clients = [await administrator(store, "essex", "kent") for store in stores]
    request_id = uuid4()
    created = await asyncio.gather(*(each.create("essex", request_id=request_id) for each in clients * 3))
    assert all(force == created[0] for force in created)
    with pytest.raises(AlreadyExists, match="FORCE_EXISTS"):
        await clients[0].create("essex")
    with pytest.raises(AlreadyExists, match="REQUEST_ID_REUSED"):
        await clients[1].create("kent", request_id=request_id)
    assert await clients[0].forces() == [created[0]]


async def test_a_creation_that_is_refused_creates_nothing(store: RunningStore) -> None:
    admin = await administrator(store, "essex")
    for change, reason in REFUSED_CREATIONS:
        request = forces_pb2.CreateForceRequest(
            **{"force": "essex", "name": "Essex Police", "request_id": str(uuid4()), **change}
        )
        with pytest.raises(InvalidInput) as refused:
            await answer_of(admin._stub.CreateForce(request))
        assert refused.value.reason == reason
    with pytest.raises(Forbidden, match="FORCE_NOT_PERMITTED"):
        await admin.create("kent")
    with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
        await ForceClient(await store.channel_of_service("match")).create("essex")
    assert await store.rows("select force from forces") == []
    assert await store.rows("select consumer from consumers", "essex", "kent") == []
    assert await store.rows("select tablename from pg_tables where tablename like 'reads_f%'") == []
    assert await store.rows("select revision from directory") == [0]


async def test_every_attempt_to_create_a_force_is_in_its_trail(store: RunningStore) -> None:
    admin, auditor = await administrator(store, "essex"), await store.auditor("ada", "essex")
    with pytest.raises(InvalidInput, match="CONSUMER_INVALID"):
        await admin.create("essex", consumers=[""])
    await admin.create("essex")
    records = [record async for record in auditor.records("essex")]
    assert [(each.number, each.action, each.person, each.service) for each in records] == [
        (number, AUDIT_ACTION_CHANGE_FORCES, "ada", "store") for number in (2, 1)
    ]
    assert records[0].subject == "force essex"
    verdict = await auditor.verify("essex")
    assert (verdict.records, verdict.first_broken) == (2, 0)


async def test_people_list_their_forces_alone_and_services_all_of_them(store: RunningStore) -> None:
    await store.create("kent", "essex", "surrey")
    pat = await administrator(store, "kent", "essex")
    match = ForceClient(await store.channel_of_service("match"))
    assert [force.code for force in await pat.forces()] == ["essex", "kent"]
    assert [force.code for force in await match.forces()] == ["essex", "kent", "surrey"]
    await pat.retire("kent", PURPOSE)
    assert [force.code for force in await pat.forces()] == ["essex"]
    assert [force.code for force in await pat.forces(include_retired=True)] == ["essex", "kent"]


async def test_a_retired_force_takes_no_reads_and_keeps_what_it_has(store: RunningStore) -> None:
    await store.create("essex")
    admin, ingest = await administrator(store, "essex"), await store.log("ingest")
    await ingest.append("essex", columns(3, at_us=store.clock()))
    with pytest.raises(InvalidInput, match="PURPOSE_REQUIRED"):
        await admin.retire("essex", Purpose())
    retired = await admin.retire("essex", PURPOSE)
    assert (retired.state, retired.HasField("retired_at")) == (forces_pb2.FORCE_STATE_RETIRED, True)
    assert await admin.retire("essex", PURPOSE) == retired
    with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
        await ingest.append("essex", columns(1, at_us=store.clock()))
    match = await store.log("match")
    async with aclosing(match.follow("essex", "match", after=0)) as tail:
        async with asyncio.timeout(10):
            assert 3 in [response.position async for response in _until(tail, 3)]
    await match.report_cursor("essex", "match", 3)
    assert len(await found(store, "essex")) == 3


async def test_a_force_that_does_not_exist_cannot_be_retired(store: RunningStore) -> None:
    with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
        await (await administrator(store, "essex")).retire("essex", PURPOSE)
    assert await store.rows("select force from forces") == []


ESSEX_AREA = forces_pb2.Area(south=51.4, west=-0.1, north=52.2, east=1.4)
REFUSED_SETTINGS = [
    ({"area": forces_pb2.Area(south=52, west=0, north=51, east=1)}, "settings.area"),
    ({"area": forces_pb2.Area(south=51, west=1, north=52, east=1)}, "settings.area"),
    ({"area": forces_pb2.Area(south=math.nan, west=0, north=52, east=1)}, "settings.area"),
    ({"area": forces_pb2.Area(south=51, west=0, north=math.inf, east=1)}, "settings.area"),
    ({"area": forces_pb2.Area(south=51, west=-181, north=52, east=1)}, "settings.area"),
    ({"area": forces_pb2.Area()}, "settings.area"),
    ({"not_read_words": forces_pb2.WordList(words=["ok", " "])}, "settings.not_read_words.words[1]"),
    ({"not_read_words": forces_pb2.WordList(words=["x" * 41])}, "settings.not_read_words.words[0]"),
    ({"not_read_words": forces_pb2.WordList(words=["a\x1b[31m"])}, "settings.not_read_words.words[0]"),
    ({"not_read_words": forces_pb2.WordList(words=["x"] * 201)}, "settings.not_read_words"),
]


async def test_the_settings_of_a_force_are_replaced_and_every_replica_tells_of_it(
    start_store: StartStore,
) -> None:
    stores = [await start_store(), await start_store()]
    await stores[0].create("essex", "kent")
    admin = await administrator(stores[0], "essex")
    words = forces_pb2.WordList(words=["NO PLATE", "no-plate", "Unlesbar"])
    settings = forces_pb2.ForceSettings(area=ESSEX_AREA, not_read_words=words)
    kept = forces_pb2.ForceSettings(
        area=ESSEX_AREA, not_read_words=forces_pb2.WordList(words=["no-plate", "Unlesbar"])
    )
    async with directory_of(stores[1]) as watch:
        assert watch.forces["essex"].settings == forces_pb2.ForceSettings()
        changed = await admin.change("essex", settings, PURPOSE)
        assert changed.settings == kept
        assert await seconds_until(lambda: watch.forces["essex"].settings == kept) < 1.0
        assert watch.forces["kent"].settings == forces_pb2.ForceSettings()
        assert await admin.forces() == [changed]
        none_at_all = forces_pb2.ForceSettings(not_read_words=forces_pb2.WordList())
        assert (await admin.change("essex", none_at_all, PURPOSE)).settings == none_at_all
        await admin.change("essex", forces_pb2.ForceSettings(), PURPOSE)
        default = forces_pb2.ForceSettings()
        assert await seconds_until(lambda: watch.forces["essex"].settings == default) < 1.0


async def test_settings_that_are_refused_change_nothing(store: RunningStore) -> None:
    await store.create("essex")
    admin = await administrator(store, "essex")
    for settings, field in REFUSED_SETTINGS:
        with pytest.raises(InvalidInput, match="SETTINGS_INVALID") as refused:
            await admin.change("essex", forces_pb2.ForceSettings(**settings), PURPOSE)
        assert refused.value.field == field
    with pytest.raises(InvalidInput, match="PURPOSE_REQUIRED"):
        await admin.change("essex", forces_pb2.ForceSettings(area=ESSEX_AREA), Purpose())
    with pytest.raises(Forbidden, match="FORCE_NOT_PERMITTED"):
        await admin.change("kent", forces_pb2.ForceSettings(area=ESSEX_AREA), PURPOSE)
    with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
        await ForceClient(await store.channel_of_service("ingest")).change(
            "essex", forces_pb2.ForceSettings(area=ESSEX_AREA), PURPOSE
        )
    assert await store.rows("select force_no from force_settings") == []


async def test_a_force_that_does_not_exist_has_no_settings(store: RunningStore) -> None:
    with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
        await (await administrator(store, "essex")).change("essex", forces_pb2.ForceSettings(), PURPOSE)


async def test_every_replica_tells_of_a_change_within_a_second(start_store: StartStore) -> None:
    stores = [await start_store(), await start_store()]
    async with directory_of(stores[0]) as first, directory_of(stores[1], "nas_bridge") as second:
        assert (dict(first.forces), dict(second.forces)) == ({}, {})
        for maker, code in zip(stores, ("essex", "kent"), strict=True):
            await maker.create(code)
            taken = await seconds_until(lambda code=code: first.is_known(code) and second.is_known(code))
            assert taken < 1.0
        await (await administrator(stores[1], "essex")).retire("essex", PURPOSE)
        taken = await seconds_until(lambda: first.active == second.active == {"kent"})
        assert taken < 1.0
        assert first.is_known("essex")
        assert dict(first.forces) == dict(second.forces)


async def test_the_directory_outlives_the_store(start_store: StartStore) -> None:
    store = await start_store()
    await store.create("essex")
    async with directory_of(store) as watch:
        await store.stop()
        assert watch.active == {"essex"}
        await asyncio.sleep(0.3)
        assert watch.is_known("essex")


async def test_progress_comes_while_nothing_changes_and_the_stream_ends_with_the_store(
    store: RunningStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PROGRESS_SECONDS", 0.3)
    await store.create("essex")
    stub = DirectoryServiceStub(await store.channel_of_service("ingest"))
    responses = answers_of(stub.Watch(forces_pb2.WatchRequest()))
    async with aclosing(responses), asyncio.timeout(15):
        first = await anext(responses)
        assert [force.code for force in first.directory.forces] == ["essex"]
        second = await anext(responses)
        assert (second.WhichOneof("event"), second.revision) == ("progress", first.revision)
        stopping = asyncio.create_task(store.stop())
        with pytest.raises(Unavailable, match="STOPPING"):
            await to_the_end(responses)
        await stopping


async def test_people_and_feeds_do_not_watch_the_directory(store: RunningStore) -> None:
    stub = DirectoryServiceStub(await store.channel_of_person("pat", "essex"))
    with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
        await anext(answers_of(stub.Watch(forces_pb2.WatchRequest())))


async def to_the_end(messages: AsyncIterator) -> None:
    async for _ in messages:
        pass


async def found(store: RunningStore, force: str) -> list[StoredRead]:
    search = await store.search("pat", force)
    return [read async for read in search.search([force], "AB12CDE", PURPOSE)]


async def _until(tail: AsyncIterator, position: int) -> AsyncIterator:
    async for response in tail:
        yield response
        if response.position >= position:
            return
