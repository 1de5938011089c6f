"""What people find in the buffer, and that the audit trail has it first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1 import audit_pb2, store_pb2

from chassis.errors import Forbidden, InvalidInput, NotFound
from clients.answer import answer_of
from clients.store import StoreClient
from services.store.log.columns import kept
from tests.contract.store.conftest import RunningStore
from tests.contract.store.reads import columns

PURPOSE = Purpose(reason="looking for a stolen car", reference="OP-1")
REFUSED_SEARCHES: list[tuple[dict[str, object], str]] = [
    ({"purpose": Purpose()}, "PURPOSE_REQUIRED"),
    ({"purpose": Purpose(reason=" x ")}, "PURPOSE_REQUIRED"),
    ({"purpose": Purpose(reason="x" * 501)}, "PURPOSE_REQUIRED"),
    ({"purpose": Purpose(reason="good enough", reference="x" * 101)}, "PURPOSE_REQUIRED"),
    ({"vrm": ""}, "VRM_INVALID"),
    ({"vrm": "ABCDEFGHIJKLM"}, "VRM_INVALID"),
    ({"vrm": "AB12?"}, "VRM_INVALID"),
    ({"forces": []}, "FORCE_INVALID"),
    ({"captured_from": datetime(2026, 1, 2, tzinfo=UTC)}, "TIME_RANGE_INVALID"),
    ({"page_size": 1001}, "PAGE_SIZE_INVALID"),
]
PATCH, OVERVIEW = store_pb2.IMAGE_KIND_PLATE_PATCH, store_pb2.IMAGE_KIND_OVERVIEW


async def found(client: StoreClient, vrm: str, *forces: str, **query: object) -> list[store_pb2.StoredRead]:
    return [read async for read in client.search(list(forces), vrm, PURPOSE, **query)]


async def actions(store: RunningStore, force: str) -> list[tuple[int, str, str]]:
    """What the trail of a force says, newest first."""
    auditor = await store.auditor("auditor", force)
    return [(record.action, record.person, record.subject) async for record in auditor.records(force)]


async def test_a_search_finds_the_plate_newest_first_across_days_and_forces(store: RunningStore) -> None:
    ingest = await store.service("ingest")
    day = 86_400_000_000
    start = store.clock() - 10 * day
    for force in ("essex", "kent"):
        reads = columns(21, at_us=start, step_us=day // 2)
        reads.vrms[:] = ["AB12CDE" if index % 3 else "XY34ZZZ" for index in range(21)]
        await ingest.append(force, reads)
    both = await store.person("pat", "essex", "kent")
    reads = await found(both, "ab12 cde", "essex", "kent", page_size=4)
    times = [read.read.captured_at.ToMicroseconds() for read in reads]
    assert len(reads) == 28
    assert times == sorted(times, reverse=True)
    assert {read.read.force for read in reads} == {"essex", "kent"}
    assert {read.read.vrm for read in reads} == {"AB12CDE"}
    only = await found(both, "XY34ZZZ", "kent")
    assert [read.position for read in only] == [19, 16, 13, 10, 7, 4, 1]


async def test_a_search_keeps_to_its_range_of_time(store: RunningStore) -> None:
    ingest, person = await store.service("ingest"), await store.person("pat", "essex")
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
    ingest, person = await store.service("ingest"), await store.person("pat", "essex")
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
    ingest, person = await store.service("ingest"), await store.person("pat", "essex")
    reads = columns(3, at_us=store.clock())
    reads.read_ids[:] = ["same"] * 3
    reads.captured_at_us[1] += 10_000_000
    await ingest.append("essex", reads)
    assert (await person.read("essex", PURPOSE, read_id="same")).position == 2


async def test_images_come_back_byte_for_byte(store: RunningStore) -> None:
    ingest, person = await store.service("ingest"), await store.person("pat", "essex")
    day = 86_400_000_000
    first = columns(4, at_us=store.clock() - 2 * day, step_us=day, images=True)
    await ingest.append("essex", first)
    await ingest.append("essex", columns(1, at_us=store.clock()))
    resent = columns(2, at_us=store.clock(), images=True)
    resent.MergeFrom(kept(first, [0, 1]))
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
    person = await store.person("pat", "essex")
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.read("essex", PURPOSE, position=1)
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.read("essex", PURPOSE, read_id="nobody's")
    with pytest.raises(NotFound, match="READ_UNKNOWN"):
        await person.image("essex", 1, PATCH, PURPOSE)


async def test_every_look_is_in_the_trail_even_one_that_finds_nothing(store: RunningStore) -> None:
    person = await store.person("pat", "essex", "kent")
    await found(person, "AB12CDE", "essex", "kent")
    with pytest.raises(NotFound):
        await person.read("essex", PURPOSE, read_id="r1")
    with pytest.raises(NotFound):
        await person.image("essex", 7, OVERVIEW, PURPOSE)
    search, read, image = (
        audit_pb2.AUDIT_ACTION_SEARCH_READS,
        audit_pb2.AUDIT_ACTION_VIEW_READ,
        audit_pb2.AUDIT_ACTION_VIEW_IMAGE,
    )
    assert await actions(store, "essex") == [
        (image, "pat", "position 7 IMAGE_KIND_OVERVIEW"),
        (read, "pat", "read_id r1"),
        (search, "pat", "AB12CDE"),
    ]
    assert await actions(store, "kent") == [(search, "pat", "AB12CDE")]


async def test_a_search_that_is_not_in_order_is_refused_and_leaves_no_record(store: RunningStore) -> None:
    person = await store.person("pat", "essex")
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
    assert await actions(store, "essex") == []


async def test_a_page_token_is_good_for_its_query_alone(store: RunningStore) -> None:
    ingest = await store.service("ingest")
    await ingest.append("essex", columns(3, at_us=store.clock()))
    stub = (await store.person("pat", "essex"))._stub
    request = store_pb2.SearchReadsRequest(forces=["essex"], vrm="AB12CDE", purpose=PURPOSE, page_size=1)
    token = (await stub.SearchReads(request)).next_page_token
    request.page_token = token
    assert [read.position for read in (await stub.SearchReads(request)).reads] == [2]
    person = await store.person("pat", "essex")
    for vrm, forged in (("XY34ZZZ", token), ("AB12CDE", "rubbish"), ("AB12CDE", token[:-4] + "AAAA")):
        request.vrm, request.page_token = vrm, forged
        with pytest.raises(InvalidInput, match="PAGE_TOKEN_INVALID"):
            await person_search(person, request)


async def person_search(person: StoreClient, request: store_pb2.SearchReadsRequest) -> None:
    await answer_of(person._stub.SearchReads(request))


async def test_people_see_their_forces_alone_whatever_they_ask(store: RunningStore) -> None:
    ingest, person = await store.service("ingest"), await store.person("pat", "essex")
    await ingest.append("kent", columns(1, at_us=store.clock(), images=True))
    for look in (
        found(person, "AB12CDE", "kent"),
        found(person, "AB12CDE", "essex", "kent"),
        person.read("kent", PURPOSE, position=1),
        person.image("kent", 1, PATCH, PURPOSE),
        person.status("kent"),
        anext(person.purge_certificates("kent")),
        anext((await store.auditor("pat", "essex")).records("kent")),
        (await store.auditor("pat", "essex")).verify("kent"),
    ):
        with pytest.raises(Forbidden, match="FORCE_NOT_PERMITTED"):
            await look
    assert await actions(store, "kent") == []
    assert await found(person, "AB12CDE", "essex") == []


async def test_each_rpc_is_for_its_callers_alone(store: RunningStore) -> None:
    person = await store.person("pat", "essex")
    ingest, match = await store.service("ingest"), await store.service("match")
    reads = columns(1, at_us=store.clock())
    for call in (
        person.append("essex", reads),
        match.append("essex", reads),
        anext(person.follow("essex", "pat", after=0)),
        anext(ingest.follow("essex", "ingest", after=0)),
        person.report_cursor("essex", "match", 0),
        found(match, "AB12CDE", "essex"),
        match.read("essex", PURPOSE, position=1),
        match.image("essex", 1, PATCH, PURPOSE),
        ingest.status("essex"),
    ):
        with pytest.raises(Forbidden, match="CALLER_NOT_ALLOWED"):
            await call
