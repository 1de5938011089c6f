"""What people find in the buffer, and that the audit trail has it first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gantry.common.v1.audit_action_pb2 import (
    AUDIT_ACTION_CHANGE_FORCES,
    AUDIT_ACTION_SEARCH_READS,
    AUDIT_ACTION_VIEW_IMAGE,
    AUDIT_ACTION_VIEW_READ,
)
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1.search_pb2 import (
    IMAGE_KIND_OVERVIEW,
    IMAGE_KIND_PLATE_PATCH,
    IMAGE_KIND_UNSPECIFIED,
    GetReadRequest,
    SearchReadsRequest,
    SearchReadsResponse,
    StoredRead,
)

from chassis.errors import Forbidden, InvalidInput, NotFound, Unavailable
from clients.answer import answer_of, answers_of
from clients.search import SearchClient
from reads.columns import picked
from services.store.search import find, service
from services.store.search.find import Page
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.reads import columns

PURPOSE = Purpose(code="theft", reference="OP-1", justification="looking for a stolen car")
UNUSABLE: list[dict[str, object]] = [
    {"purpose": Purpose()},
    {"purpose": Purpose(justification=" x ")},
    {"purpose": Purpose(justification="x" * 501)},
    {"purpose": Purpose(justification="good enough", reference="x" * 101)},
]
REFUSED_SEARCHES: list[tuple[dict[str, object], str]] = [
    ({"vrm": ""}, "VRM_INVALID"),
    ({"vrm": "ABCDEFGHIJKLM"}, "VRM_INVALID"),
    ({"vrm": "AB12?"}, "VRM_INVALID"),
    ({"captured_from": datetime(2026, 1, 2, tzinfo=UTC)}, "TIME_RANGE_INVALID"),
    ({"page_size": 1001}, "PAGE_SIZE_INVALID"),
]
PATCH, OVERVIEW = IMAGE_KIND_PLATE_PATCH, IMAGE_KIND_OVERVIEW
DAY_US = 86_400_000_000


async def found(client: SearchClient, vrm: str, *forces: str, **query: object) -> list[StoredRead]:
    return [read async for read in client.search(list(forces), vrm, PURPOSE, **query)]


async def actions(store: RunningStore, force: str) -> list[tuple[int, str, str]]:
    """What the trail of a force says of its reads, newest first."""
    auditor = await store.auditor("auditor", force)
    return [
        (record.action, record.person, record.subject)
        async for record in auditor.records(force)
        if record.action != AUDIT_ACTION_CHANGE_FORCES
    ]


async def pages_of(person: SearchClient, request: SearchReadsRequest) -> list[SearchReadsResponse]:
    """The pages of one stream."""
    return [page async for page in answers_of(person._stub.SearchReads(request))]


@pytest.fixture
async def store(store: RunningStore) -> RunningStore:
    """A store with two forces."""
    await store.create("essex", "kent")
    return store


async def test_a_search_finds_the_plate_newest_first_across_days_and_forces(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    start = store.clock() - 10 * DAY_US
    for force in ("essex", "kent"):
        reads = columns(21, at_us=start, step_us=DAY_US // 2)
        reads.vrms[:] = ["AB12CDE" if index % 3 else "XY34ZZZ" for index in range(21)]
        await ingest.append(force, reads)
    both = await store.search("pat", "essex", "kent")
    reads = await found(both, "ab12 cde", "essex", "kent", page_size=4)
    times = [read.read.captured_at.ToMicroseconds() for read in reads]
    assert len(reads) == 28
    assert times == sorted(times, reverse=True)
    assert {read.read.force for read in reads} == {"essex", "kent"}
    assert {read.read.vrm for read in reads} == {"AB12CDE"}
    only = await found(both, "XY34ZZZ", "kent")
    assert [read.position for read in only] == [19, 16, 13, 10, 7, 4, 1]


async def test_a_search_keeps_to_its_range_of_time(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    start = datetime(2026, 3, 1, tzinfo=UTC)
    await ingest.append("essex", columns(10, at_us=int(start.timestamp()) * 1_000_000, step_us=1_000_000))
    reads = await found(
        person,
        "AB12CDE",
        "essex",
        captured_from=start + timedelta(seconds=3),
        captured_to=start + timedelta(seconds=6),
    )
    assert [read.position for read in reads] == [6, 5, 4]


async def test_a_read_is_shown_as_it_was_sent(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    sent = columns(2, at_us=store.clock(), images=True)
    await ingest.append("essex", sent)
    for position in (1, 2):
        shown = await person.read("essex", PURPOSE, position=position)
        assert shown == await person.read("essex", PURPOSE, read_id=sent.read_ids[position - 1])
        place = position - 1
        assert shown.position == position
        assert (shown.read.camera_id, shown.read.read_id) == (sent.camera_ids[place], sent.read_ids[place])
        assert shown.read.captured_at.ToMicroseconds() == sent.captured_at_us[place]
        assert shown.read.confidence == sent.confidences[place]
        assert shown.read.HasField("position") == (sent.latitudes_e7[place] != 2_147_483_647)
        assert shown.read.HasField("heading") == (sent.headings[place] != 360)
        assert shown.read.details.SerializeToString() == sent.details[place]
        assert shown.plate_patch_bytes == len(sent.plate_patches[place])
        assert shown.overview_bytes == len(sent.overviews[place])


async def test_of_one_read_id_at_several_cameras_the_newest_is_shown(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    reads = columns(3, at_us=store.clock())
    reads.read_ids[:] = ["same"] * 3
    reads.captured_at_us[1] += 10_000_000
    await ingest.append("essex", reads)
    assert (await person.read("essex", PURPOSE, read_id="same")).position == 2


async def test_the_others_of_a_read_id_are_listed_and_counted(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    reads = columns(120, at_us=store.clock())
    reads.read_ids[:] = ["same"] * 120
    await ingest.append("essex", reads)
    named = await person.named("essex", PURPOSE, "same")
    assert (named.read.position, named.others_count) == (120, 119)
    assert [other.position for other in named.others] == list(range(119, 19, -1))
    camera = named.others[0].read.camera_id
    of_camera = await person.named("essex", PURPOSE, "same", camera_id=camera)
    told = [of_camera.read, *of_camera.others]
    assert {each.read.camera_id for each in told} == {camera}
    assert of_camera.others_count == list(reads.camera_indexes).count(reads.camera_indexes[118]) - 1
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.named("essex", PURPOSE, "same", camera_id="elsewhere")


async def test_images_come_back_byte_for_byte(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    first = columns(4, at_us=store.clock() - 2 * DAY_US, step_us=DAY_US, images=True)
    await ingest.append("essex", first)
    await ingest.append("essex", columns(1, at_us=store.clock()))
    resent = columns(2, at_us=store.clock(), images=True)
    resent.MergeFrom(picked(first, [0, 1]))
    resent.camera_ids[:] = first.camera_ids
    await ingest.append("essex", resent)
    for position, (sent, place) in {
        1: (first, 0), 2: (first, 1), 3: (first, 2), 4: (first, 3), 6: (resent, 0), 7: (resent, 1)
    }.items():  # fmt: skip
        for kind, column in ((PATCH, sent.plate_patches), (OVERVIEW, sent.overviews)):
            if column[place]:
                assert await person.image("essex", position, kind, PURPOSE) == column[place]
            else:
                with pytest.raises(NotFound, match="IMAGE_ABSENT"):
                    await person.image("essex", position, kind, PURPOSE)


async def test_what_is_not_there_is_not_found(store: RunningStore) -> None:
    person = await store.search("pat", "essex")
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.read("essex", PURPOSE, position=1)
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.read("essex", PURPOSE, read_id="nobody's")
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.image("essex", 1, PATCH, PURPOSE)


async def test_a_name_or_kind_that_says_nothing_is_refused(store: RunningStore) -> None:
    person = await store.search("pat", "essex")
    camera = {"read_id": "r1", "camera_id": "a\nb"}
    for name in ({}, {"read_id": ""}, {"read_id": "x" * 129}, {"read_id": "a\nb"}, camera):
        request = GetReadRequest(force="essex", purpose=PURPOSE, **name)
        with pytest.raises(InvalidInput, match="NAME_INVALID"):
            await answer_of(person._stub.GetRead(request))
    for kind in (IMAGE_KIND_UNSPECIFIED, 9):
        with pytest.raises(InvalidInput, match="IMAGE_KIND_INVALID"):
            await person.image("essex", 1, kind, PURPOSE)


async def test_every_look_is_in_the_trail_even_one_that_finds_nothing(store: RunningStore) -> None:
    person = await store.search("pat", "essex", "kent")
    await found(person, "ab12 cde", "essex", "kent")
    with pytest.raises(NotFound):
        await person.read("essex", PURPOSE, read_id="r1")
    with pytest.raises(NotFound):
        await person.image("essex", 7, OVERVIEW, PURPOSE)
    assert await actions(store, "essex") == [
        (AUDIT_ACTION_VIEW_IMAGE, "pat", "position 7, kind IMAGE_KIND_OVERVIEW"),
        (AUDIT_ACTION_VIEW_READ, "pat", "read_id r1"),
        (AUDIT_ACTION_SEARCH_READS, "pat", "vrm AB12CDE"),
    ]
    assert await actions(store, "kent") == [(AUDIT_ACTION_SEARCH_READS, "pat", "vrm AB12CDE")]


async def test_a_look_without_a_usable_purpose_is_refused_before_it_is_recorded(store: RunningStore) -> None:
    person = await store.search("pat", "essex")
    usual = {"forces": ["essex"], "vrm": "AB12CDE"}
    for purpose in UNUSABLE:
        with pytest.raises(InvalidInput, match="PURPOSE_REQUIRED"):
            await anext(person.search(**(usual | purpose)))
    with pytest.raises(InvalidInput, match="FORCE_INVALID"):
        await found(person, "AB12CDE")
    assert await actions(store, "essex") == []


async def test_a_search_that_cannot_be_made_is_recorded_all_the_same(store: RunningStore) -> None:
    person = await store.search("pat", "essex")
    usual = {
        "forces": ["essex"],
        "vrm": "AB12CDE",
        "purpose": PURPOSE,
        "captured_to": datetime(2026, 1, 1, tzinfo=UTC),
    }
    for query, reason in REFUSED_SEARCHES:
        with pytest.raises(InvalidInput) as refused:
            await anext(person.search(**(usual | query)))
        assert refused.value.reason == reason
    assert len(await actions(store, "essex")) == len(REFUSED_SEARCHES)


async def test_a_search_is_a_stream_of_full_pages_recorded_once(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    await ingest.append("essex", columns(7, at_us=store.clock()))
    request = SearchReadsRequest(forces=["essex"], vrm="AB12CDE", purpose=PURPOSE, page_size=3)
    pages = await pages_of(person, request)
    assert [[read.position for read in page.reads] for page in pages] == [[7, 6, 5], [4, 3, 2], [1]]
    assert [bool(page.next_page_token) for page in pages] == [True, True, False]
    assert len(await actions(store, "essex")) == 1


@pytest.mark.parametrize(
    ("most", "sizes", "goes_on"), [(3, [3], True), (4, [3, 1], True), (6, [3, 3], False)]
)
async def test_a_search_sends_no_more_reads_than_asked_for(
    store: RunningStore, most: int, sizes: list[int], *, goes_on: bool
) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    await ingest.append("essex", columns(6, at_us=store.clock()))
    request = SearchReadsRequest(
        forces=["essex"], vrm="AB12CDE", purpose=PURPOSE, page_size=3, max_reads=most
    )
    pages = await pages_of(person, request)
    assert [len(page.reads) for page in pages] == sizes
    assert bool(pages[-1].next_page_token) == goes_on


async def test_a_search_that_finds_nothing_sends_one_empty_page(store: RunningStore) -> None:
    request = SearchReadsRequest(forces=["essex"], vrm="AB12CDE", purpose=PURPOSE)
    assert await pages_of(await store.search("pat", "essex"), request) == [SearchReadsResponse()]


async def test_a_search_goes_on_after_any_page_at_any_replica(
    store: RunningStore, start_store: StartStore
) -> None:
    ingest, other = await store.log("ingest"), await start_store()
    await ingest.append("essex", columns(5, at_us=store.clock()))
    request = SearchReadsRequest(forces=["essex"], vrm="AB12CDE", purpose=PURPOSE, page_size=2)
    first = (await pages_of(await store.search("pat", "essex"), request))[0]
    request.page_token, request.page_size = first.next_page_token, 100
    request.max_reads, request.purpose.justification = 2, "still looking for it"
    (rest,) = await pages_of(await other.search("pat", "essex"), request)
    assert [read.position for read in rest.reads] == [3, 2]


async def test_a_page_token_is_good_for_its_query_alone(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex", "kent")
    await ingest.append("essex", columns(3, at_us=store.clock()))
    request = SearchReadsRequest(forces=["essex"], vrm="AB12CDE", purpose=PURPOSE, page_size=1)
    token = (await pages_of(person, request))[0].next_page_token
    for change in (
        {"vrm": "XY34ZZZ"},
        {"forces": ["essex", "kent"]},
        {"captured_to": datetime(2100, 1, 1, tzinfo=UTC)},
        {"page_token": "rubbish"},
        {"page_token": token[:-4] + "AAAA"},
    ):
        query = {"forces": ["essex"], "vrm": "AB12CDE", "purpose": PURPOSE, "page_token": token}
        with pytest.raises(InvalidInput, match="PAGE_TOKEN_INVALID"):
            await pages_of(person, SearchReadsRequest(**(query | change)))


async def test_no_connection_is_held_between_two_pages(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    await ingest.append("essex", columns(20_000, at_us=store.clock()))
    request = SearchReadsRequest(forces=["essex"], vrm="AB12CDE", purpose=PURPOSE, page_size=1_000)
    streams = [answers_of(person._stub.SearchReads(request)) for _ in range(25)]
    # More searches than connections, none of which reads its pages: each waits for its caller.
    for stream in streams:
        assert len((await anext(stream)).reads) == 1_000
    assert len(await found(person, "AB12CDE", "essex", max_reads=5)) == 5
    for stream in streams:
        await stream.aclose()


async def test_a_search_ends_when_its_caller_disconnects(
    store: RunningStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()

    async def watched(*query: Any) -> AsyncGenerator[Page, None]:
        try:
            async for page in find.pages(*query):
                yield page
        finally:
            ended.set()

    monkeypatch.setattr(service, "pages", watched)
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    await ingest.append("essex", columns(2_000, at_us=store.clock()))
    request = SearchReadsRequest(forces=["essex"], vrm="AB12CDE", purpose=PURPOSE, page_size=1)
    async with aclosing(answers_of(person._stub.SearchReads(request))) as pages:
        assert [read.position for read in (await anext(pages)).reads] == [2_000]
        assert not ended.is_set()
    async with asyncio.timeout(10):
        await ended.wait()


async def test_a_store_that_stops_ends_a_search_between_two_pages(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    await ingest.append("essex", columns(20_000, at_us=store.clock()))
    request = SearchReadsRequest(forces=["essex"], vrm="AB12CDE", purpose=PURPOSE, page_size=100)
    async with aclosing(answers_of(person._stub.SearchReads(request))) as pages:
        seen = [len((await anext(pages)).reads)]
        stopping = asyncio.create_task(store.stop())
        with pytest.raises(Unavailable, match="STOPPING"):
            seen += [len(page.reads) async for page in pages]
    await stopping
    assert sum(seen) < 20_000


async def test_a_look_at_a_force_that_does_not_exist_creates_nothing(store: RunningStore) -> None:
    person = await store.search("pat", "essex", "surrey")
    for look in (
        found(person, "AB12CDE", "surrey"),
        found(person, "AB12CDE", "essex", "surrey"),
        person.read("surrey", PURPOSE, position=1),
        person.image("surrey", 1, PATCH, PURPOSE),
    ):
        with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
            await look
    assert await store.rows("select force from forces order by force") == ["essex", "kent"]
    assert await store.rows("select force from audit_chains where force = 'surrey'") == []


async def test_people_see_their_forces_alone_whatever_they_ask(store: RunningStore) -> None:
    ingest, person = await store.log("ingest"), await store.search("pat", "essex")
    await ingest.append("kent", columns(1, at_us=store.clock(), images=True))
    for look in (
        found(person, "AB12CDE", "kent"),
        found(person, "AB12CDE", "essex", "kent"),
        person.read("kent", PURPOSE, position=1),
        person.image("kent", 1, PATCH, PURPOSE),
        anext((await store.auditor("pat", "essex")).records("kent")),
        (await store.auditor("pat", "essex")).verify("kent"),
    ):
        with pytest.raises(Forbidden, match="FORCE_NOT_PERMITTED"):
            await look
    assert await actions(store, "kent") == []
    assert await found(person, "AB12CDE", "essex") == []
