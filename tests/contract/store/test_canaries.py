"""A canary goes through the log like an append, and is no read of the force."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1 import search_pb2
from gantry.store.v1.log_pb2 import AppendReadsRequest, TailReadsResponse
from gantry.store.v1.log_pb2_grpc import ReadLogServiceStub

from chassis.database import statements
from chassis.errors import InvalidInput, NotFound
from chassis.settings import TelemetrySettings
from chassis.telemetry import telemetry
from clients.answer import answer_of
from clients.store import ReadLogClient
from reads.appended import Appended
from reads.canary import CANARY, CANARY_VRM
from services.store.days import US_A_DAY
from services.store.forces.postgres import PostgresForces
from services.store.images.objects import open_images
from services.store.log import follow
from services.store.names import SpanName
from services.store.retention.postgres import PostgresRetention
from services.store.retention.purging import Retention
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.following import PATIENCE_SECONDS, collect
from tests.contract.store.reads import columns
from tests.contract.store.test_adversity import _page

pytestmark = pytest.mark.usefixtures("two_forces")

PURPOSE = Purpose(code="theft", reference="OP-1", justification="a test of canaries")
BACKLOG = """
with numbered as (
    insert into appends
    select 1, number, number, $1, $1, $1, 0, '', $2 from generate_series(1, 3000) as number
    returning last_position
)
update forces set head = (select max(last_position) from numbered) where force_no = 1
"""
OF_THE_RELEASE_BEFORE = """
select first_position, last_position, received_at_us, image_object, traceparent
from appends
where force_no = 1 and last_position > 0
order by last_position
limit 10
"""
APPEND_OF_THE_RELEASE_BEFORE = """
select head_before, head_now
from append_reads(1::smallint, 'essex', 5, true, '{1}', '{0}', '{t}', '{0}', '{1}', '{1}',
    int8send(1) || int4send(1) || int4send(-7) || int4send(8) || int2send(360::int2), '{1}', 'r', 'AB1',
    null, null)
"""


def canary(at_us: int) -> ReadColumns:
    """A canary as ingest appends it."""
    return columns(1, at_us=at_us, cameras=(CANARY,), vrm=CANARY_VRM)


async def fill(store: RunningStore) -> list[tuple[bool, ReadColumns]]:
    """Append reads and canaries in turn; whether each append is a canary, and its reads."""
    ingest = await store.log("ingest")
    sent = []
    for size, is_canary in ((3, False), (1, True), (2, False), (1, True), (1, True), (4, False)):
        reads = canary(store.clock()) if is_canary else columns(size, at_us=store.clock(), images=size == 2)
        await ingest.append("essex", reads, canary=is_canary)
        sent.append((is_canary, reads))
    return sent


def told(appends: list[Appended]) -> list[tuple[bool, list[int], list[str]]]:
    return [(each.canary, [*each.positions], [*each.columns.read_ids]) for each in appends]


def contents(append: Appended) -> tuple[object, ...]:
    return append.canary, append.columns, [*append.positions], append.traced, append.received_at_us


async def count(store: RunningStore, table: str) -> int:
    (found,) = await store.rows(f"select count(*) from {table}", "essex")
    assert isinstance(found, int)
    return found


async def test_a_canary_takes_a_position_and_is_in_no_table_of_reads(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    await ingest.append("essex", columns(5, at_us=store.clock()))
    cameras = await count(store, "cameras")
    days = await count(store, "days")
    answer = await ingest.append("essex", canary(store.clock() - 3 * US_A_DAY), canary=True)
    assert (list(answer.duplicate_indexes), answer.last_position) == ([], 6)
    assert await count(store, "reads") == 5
    assert (await count(store, "cameras"), await count(store, "days")) == (cameras, days)
    status = await store.status("essex")
    assert (status.head, status.reads_stored) == (6, 5)
    assert (await ingest.append("essex", columns(2, at_us=store.clock()))).last_position == 8
    kent = await store.status("kent")
    assert (kent.head, kent.reads_stored) == (0, 0)


async def test_people_find_no_canary(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    sent = canary(store.clock())
    await ingest.append("essex", sent, canary=True)
    # A real camera may see the same plate.
    real = columns(1, at_us=store.clock(), vrm=CANARY_VRM)
    await ingest.append("essex", real)
    person = await store.search("ann", "essex")
    found = [each async for each in person.search(["essex"], CANARY_VRM, PURPOSE)]
    assert [each.read.read_id for each in found] == [*real.read_ids]
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.read("essex", PURPOSE, position=1)
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.read("essex", PURPOSE, read_id=sent.read_ids[0])
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.image("essex", 1, search_pb2.IMAGE_KIND_OVERVIEW, PURPOSE)
    assert (await person.read("essex", PURPOSE, position=2)).received_at.ToMicroseconds()


@pytest.mark.parametrize("place", ["ring", "database", "second replica"])
async def test_who_asks_gets_canaries_in_order_and_nobody_else_any(
    start_store: StartStore, place: str
) -> None:
    store = await start_store()
    told_by = await start_store() if place == "second replica" else store
    match = await told_by.log("match")
    live = [
        asyncio.create_task(collect(match, "essex", after=0, reads=reads, canaries=canaries))
        for reads, canaries in ((12, True), (9, False))
    ]
    sent = await fill(store)
    if place == "database":
        # Its ring begins at the head.
        match = await (await start_store()).log("match")
        live = [
            asyncio.create_task(collect(match, "essex", after=0, reads=reads, canaries=canaries))
            for reads, canaries in ((12, True), (9, False))
        ]
    asked, unasked = await asyncio.gather(*live)
    positions = [[1, 2, 3], [4], [5, 6], [7], [8], [9, 10, 11, 12]]
    whole = [
        (is_canary, at, [*reads.read_ids]) for (is_canary, reads), at in zip(sent, positions, strict=True)
    ]
    assert told(asked) == whole
    assert told(unasked) == [each for each in whole if not each[0]]


async def test_the_database_gives_of_canaries_what_memory_gives(start_store: StartStore) -> None:
    store = await start_store()
    call = "00-" + "5" * 32 + "-" + "5" * 16 + "-01"
    stub = ReadLogServiceStub(await store.channel_of_service("ingest"))
    async with telemetry("store", TelemetrySettings()):
        for _ in range(2):
            request = AppendReadsRequest(force="essex", canary=canary(store.clock()).SerializeToString())
            await stub.AppendReads(request, metadata=[("traceparent", call)])
    await fill(store)
    live = await collect(await store.log("match"), "essex", after=0, reads=14, canaries=True)
    fresh = await (await start_store()).log("match")
    past = await collect(fresh, "essex", after=0, reads=14, canaries=True)
    assert [contents(each) for each in past] == [contents(each) for each in live]
    assert [each.canary for each in past] == [True, True, False, True, False, True, True, False]
    assert past[0].columns.vrms == [CANARY_VRM]


@asynccontextmanager
async def followed(client: ReadLogClient, **options: bool) -> AsyncIterator[AsyncIterator[TailReadsResponse]]:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(client.follow("essex", "nas", after=0, **options)) as following,
    ):
        yield following


async def test_who_does_not_ask_passes_canaries_over(start_store: StartStore) -> None:
    """The position moves at once, so that a consumer's cursor does."""
    store = await start_store()
    ingest = await store.log("ingest")
    await ingest.append("essex", canary(store.clock()), canary=True)
    for each in (store, await start_store()):
        bridge = await each.log("nas_bridge")
        async with followed(bridge) as following:
            await anext(following)
            seen = [await anext(following)]
            if each is store:
                await ingest.append("essex", canary(store.clock()), canary=True)
                seen.append(await anext(following))
            assert [(list(part.appends), part.position, part.head) for part in seen] == [
                ([], part.head, part.head) for part in seen
            ]
            assert seen[-1].head == 2 if each is store else seen[-1].position == 2
    await bridge.register_consumer("essex", "nas")
    await bridge.report_cursor("essex", "nas", 2)


async def test_a_backlog_of_canaries_alone_is_passed_over(
    start_store: StartStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await start_store()
    async with store.database.rows.transaction("essex") as connection:
        await connection.execute(BACKLOG, store.clock(), canary(store.clock()).SerializeToString())
    counted: list[float] = []
    monkeypatch.setattr(follow._caught_up, "add", lambda number, _: counted.append(number))
    fresh = await start_store()
    async with followed(await fresh.log("nas_bridge")) as following:
        async for part in following:
            assert not part.appends
            if part.position == 3_000:
                break
    async with followed(await fresh.log("nas_bridge"), canaries=True) as following:
        appends = 0
        async for part in following:
            appends += len(part.appends)
            if part.position == 3_000:
                break
    assert appends == 3_000
    assert not sum(counted)


async def test_a_canary_that_is_sent_again_is_appended_once(start_store: StartStore) -> None:
    store = await start_store()
    ingest, match = await store.log("ingest"), await store.log("match")
    first, second = canary(store.clock()), canary(store.clock())
    assert (await ingest.append("essex", first, canary=True)).last_position == 1
    assert (await ingest.append("essex", second, canary=True)).last_position == 2
    # By another replica, and not only the newest.
    elsewhere = await (await start_store()).log("ingest")
    for door, reads in ((elsewhere, first), (ingest, second), (ingest, first)):
        answer = await door.append("essex", reads, canary=True)
        assert (list(answer.duplicate_indexes), answer.last_position) == ([0], 0)
        assert not answer.differing_indexes
    appends = await collect(match, "essex", after=0, reads=2, canaries=True)
    assert [each.columns for each in appends] == [first, second]
    assert (await store.status("essex")).head == 2
    # A read of the force with the same identity is another matter.
    assert (await ingest.append("essex", first)).last_position == 3
    assert (await ingest.append("kent", first, canary=True)).last_position == 1


async def test_many_at_once_commit_in_one_order(start_store: StartStore) -> None:
    """Canaries among reads, at two replicas: each append has its positions, and none is lost."""
    stores = [await start_store(), await start_store()]
    doors = [await store.log("ingest") for store in stores]
    now = stores[0].clock()
    appends = [(number % 3 == 0, columns(1, at_us=now + number)) for number in range(60)]
    answers = await asyncio.gather(
        *(
            doors[number % 2].append("essex", reads, canary=is_canary)
            for number, (is_canary, reads) in enumerate(appends)
        )
    )
    assert sorted(answer.last_position for answer in answers) == [*range(1, 61)]
    status = await stores[0].status("essex")
    assert (status.head, status.reads_stored) == (60, 40)
    expected = sorted(
        (answer.last_position, is_canary, reads.read_ids[0])
        for answer, (is_canary, reads) in zip(answers, appends, strict=True)
    )
    for store in stores:
        found = await collect(await store.log("match"), "essex", after=0, reads=60, canaries=True)
        assert [(each.last, each.canary, each.columns.read_ids[0]) for each in found] == expected


async def test_what_is_no_canary_is_refused_and_nothing_is_stored(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    illustrated = canary(store.clock())
    illustrated.overviews.append(b"overview")
    for reads, field in (
        (columns(2, at_us=store.clock()), "canary.read_ids"),
        (illustrated, "canary.overviews"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await ingest.append("essex", reads, canary=True)
        assert (refused.value.reason, refused.value.field) == ("CANARY_INVALID", field)
    both = AppendReadsRequest(
        force="essex",
        reads=columns(1, at_us=store.clock()).SerializeToString(),
        canary=canary(store.clock()).SerializeToString(),
    )
    stub = ReadLogServiceStub(await store.channel_of_service("ingest"))
    with pytest.raises(InvalidInput, match="not both"):
        await answer_of(stub.AppendReads(both))
    assert (await store.status("essex")).head == 0


async def test_a_retired_or_unknown_force_gets_no_canary(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    await ingest.append("essex", canary(store.clock()), canary=True)
    await PostgresForces(store.pool).retire("essex")
    for force in ("essex", "surrey"):
        with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
            await ingest.append(force, canary(store.clock()), canary=True)
    assert (await store.status("essex")).head == 1


async def test_retention_certifies_reads_alone_and_forgets_canaries_with_their_day(
    store: RunningStore,
) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    store.clock.ahead_us += US_A_DAY // 2 - store.clock() % US_A_DAY
    retention = Retention(
        PostgresRetention(store.database.rows, store.pool),
        open_images(f"file://{store.images}"),
        7,
        store.clock,
    )
    for is_canary in (True, False, True):
        reads = canary(store.clock()) if is_canary else columns(4, at_us=store.clock(), images=True)
        await ingest.append("essex", reads, canary=is_canary)
    store.clock.ahead_us += 2 * US_A_DAY
    await ingest.append("essex", canary(store.clock()), canary=True)
    await match.report_cursor("essex", "match", 5)
    store.clock.ahead_us += 6 * US_A_DAY
    await retention.run_once()
    person = await store.buffer("ann", "essex")
    (certificate,) = [each async for each in person.purge_certificates("essex")]
    assert (certificate.reads, certificate.image_objects) == (4, 1)
    # The canary of a later day is left, and a new consumer starts at it.
    assert await store.rows("select last_position from appends", "essex") == [7]
    assert await count(store, "canaries") == 1
    (left,) = await collect(match, "essex", after=None, reads=1, canaries=True)
    assert (left.canary, left.last) == (True, 7)
    bridge = await store.log("nas_bridge")
    assert await bridge.register_consumer("essex", "nas") == 6
    # A day that has canaries alone has no partition, waits for nobody and has no certificate.
    store.clock.ahead_us += 3 * US_A_DAY
    await retention.run_once()
    assert (await store.status("essex")).overdue_days == []
    assert (await count(store, "appends"), await count(store, "canaries")) == (0, 0)
    assert len([each async for each in person.purge_certificates("essex")]) == 1
    assert await bridge.register_consumer("essex", "nadc") == 7


async def test_a_canary_has_its_spans_and_no_count(store: RunningStore, tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    call = "00-" + "7" * 32 + "-" + "7" * 16 + "-01"
    request = AppendReadsRequest(force="kent", canary=canary(store.clock()).SerializeToString())
    stub = ReadLogServiceStub(await store.channel_of_service("ingest"))
    settings = TelemetrySettings(spans_file=file, metrics_listen="127.0.0.1:0")
    async with telemetry("store", settings):
        await stub.AppendReads(request, metadata=[("traceparent", call)])
        page = await asyncio.to_thread(_page)
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    assert SpanName.COMMIT in {span["name"] for span in spans if span["trace_id"][0] == "7"}
    assert CANARY_VRM not in file.read_text()
    assert [
        line for line in page.splitlines() if line.startswith('gantry_store_reads_total{force="kent"')
    ] in (
        [],
        ['gantry_store_reads_total{force="kent"} 0.0'],
    )
    (append,) = await collect(await store.log("match"), "kent", after=0, reads=1, canaries=True)
    assert append.traceparent.split("-")[1] == "7" * 32


async def test_the_statements_of_the_release_before_see_an_append_without_reads(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    await ingest.append("essex", columns(1, at_us=store.clock()))
    await ingest.append("essex", canary(store.clock()), canary=True)
    async with store.database.rows.transaction("essex") as connection:
        assert [row["last_position"] for row in await connection.fetch(OF_THE_RELEASE_BEFORE)] == [1, 2]
        between = statements("services.store.log").reads_between
        assert [row["position"] for row in await connection.fetch(between, 1, 0, 2)] == [1]
        # The function that the first migration made goes on from the canary.
        assert tuple(await connection.fetchrow(APPEND_OF_THE_RELEASE_BEFORE)) == (2, 3)
    status = await store.status("essex")
    assert (status.head, status.reads_stored) == (3, 2)
    appends = await collect(await store.log("match"), "essex", after=0, reads=3, canaries=True)
    assert [(each.canary, each.last) for each in appends] == [(False, 1), (True, 2), (False, 3)]
