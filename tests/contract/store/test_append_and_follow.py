"""Followers get the appended reads: from memory, from the database, and across the two."""

from __future__ import annotations

import asyncio

import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns

from chassis.errors import Forbidden, InvalidInput, NotFound, OutOfRange
from reads.appended import Appended, appends_of
from reads.columns import picked
from services.store.forces.postgres import PostgresForces
from services.store.log import follow
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.following import PATIENCE_SECONDS, collect
from tests.contract.store.reads import columns

pytestmark = pytest.mark.usefixtures("two_forces")


def positions(appends: list[Appended]) -> list[int]:
    return [position for append in appends for position in append.positions]


def contents(append: Appended) -> tuple[object, ...]:
    return append.columns, [*append.positions], append.traceparent, append.received_at_us


async def test_reads_come_back_as_they_went_in(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    sent = columns(6, at_us=store.clock())
    answer = await ingest.append("essex", sent)
    assert (list(answer.duplicate_indexes), answer.last_position) == ([], 6)
    live = await collect(match, "essex", after=0, reads=6)
    assert [append.columns for append in live] == [sent]
    assert list(live[0].positions) == [1, 2, 3, 4, 5, 6]
    assert abs(live[0].received_at_us - store.clock()) < 60_000_000


async def test_the_database_gives_what_memory_gives(start_store: StartStore) -> None:
    first = await start_store()
    ingest, match = await first.log("ingest"), await first.log("match")
    now = first.clock()
    for size, images in ((3, False), (1, True), (700, False), (40, True)):
        await ingest.append("essex", columns(size, at_us=now, images=images))
    live = await collect(match, "essex", after=0, reads=744, include_images=True)
    fresh = await (await start_store()).log("match")
    past = await collect(fresh, "essex", after=0, reads=744, include_images=True)
    assert [contents(each) for each in past] == [contents(each) for each in live]
    assert [append.count for append in live] == [3, 1, 700, 40]


async def test_a_resent_read_is_stored_once(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    sent = columns(5, at_us=store.clock())
    await ingest.append("essex", sent)
    again = await ingest.append("essex", sent)
    assert (list(again.duplicate_indexes), again.last_position) == ([0, 1, 2, 3, 4], 0)
    mixed = columns(3, at_us=store.clock())
    mixed.MergeFrom(picked(sent, [4, 1]))
    mixed.camera_ids[:] = sent.camera_ids
    answer = await ingest.append("essex", mixed)
    assert (list(answer.duplicate_indexes), answer.last_position) == ([3, 4], 8)
    appends = await collect(match, "essex", after=0, reads=8)
    assert [read_id for append in appends for read_id in append.columns.read_ids] == [
        *sent.read_ids,
        *mixed.read_ids[:3],
    ]
    assert positions(appends) == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_read_twice_in_one_request_is_stored_once(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.log("ingest")
    sent = columns(4, at_us=store.clock(), images=True)
    twice = picked(sent, [0, 1, 0, 2, 1, 3])
    answer = await ingest.append("essex", twice)
    assert (list(answer.duplicate_indexes), answer.last_position) == ([2, 4], 6)
    for each in (store, await start_store()):
        match = await each.log("match")
        appends = await collect(match, "essex", after=0, reads=4, include_images=True)
        assert [append.columns for append in appends] == [sent]
        assert positions(appends) == [1, 2, 4, 6]


async def test_a_repeated_read_with_other_content_is_named_and_the_first_is_kept(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    sent = columns(6, at_us=store.clock())
    await ingest.append("essex", sent)
    again = ReadColumns.FromString(sent.SerializeToString())
    again.vrms[1], again.confidences[2], again.latitudes_e7[4] = "OTHER1", 0.125, 123
    again.headings[5] = 7  # no part of what a read claims
    answer = await ingest.append("essex", again)
    assert list(answer.duplicate_indexes) == [0, 1, 2, 3, 4, 5]
    assert list(answer.differing_indexes) == [1, 2, 4]
    mixed = columns(2, at_us=store.clock())
    mixed.MergeFrom(picked(again, [3, 4]))
    mixed.camera_ids[:] = sent.camera_ids
    answer = await ingest.append("essex", mixed)
    assert (list(answer.duplicate_indexes), list(answer.differing_indexes)) == ([2, 3], [3])
    appends = await collect(match, "essex", after=0, reads=8)
    assert appends[0].columns == sent


async def test_a_read_twice_in_one_request_is_compared_with_its_first(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    twice = picked(columns(3, at_us=store.clock()), [0, 1, 0, 2, 1])
    twice.vrms[4] = "OTHER1"
    answer = await ingest.append("essex", twice)
    assert (list(answer.duplicate_indexes), list(answer.differing_indexes)) == ([2, 4], [4])
    appends = await collect(match, "essex", after=0, reads=3)
    assert [*appends[0].columns.vrms] == [twice.vrms[0], twice.vrms[1], twice.vrms[3]]


async def test_requests_of_one_commit_get_their_own_differing_reads(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    sent = columns(3, at_us=store.clock())
    other = ReadColumns.FromString(sent.SerializeToString())
    other.vrms[2] = "OTHER1"
    await ingest.append("essex", sent)
    answers = await asyncio.gather(*(ingest.append("essex", each) for each in (sent, other, sent, other)))
    assert [list(answer.differing_indexes) for answer in answers] == [[], [2], [], [2]]


async def test_the_same_read_id_is_another_read_for_another_camera_or_time(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    sent = columns(2, at_us=store.clock(), step_us=0)
    sent.read_ids[1] = sent.read_ids[0]
    answer = await ingest.append("essex", sent)
    assert not answer.duplicate_indexes
    sent.captured_at_us[0] += 1
    answer = await ingest.append("essex", sent)
    assert list(answer.duplicate_indexes) == [1]
    assert not (await ingest.append("kent", sent)).duplicate_indexes


async def test_an_append_spanning_days_keeps_its_order(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.log("ingest")
    day = 86_400_000_000
    sent = columns(30, at_us=store.clock() - 20 * day, step_us=day * 7 // 10)
    assert (await ingest.append("essex", sent)).last_position == 30
    assert list((await ingest.append("essex", sent)).duplicate_indexes) == list(range(30))
    fresh = await (await start_store()).log("match")
    appends = await collect(fresh, "essex", after=0, reads=30)
    assert [append.columns for append in appends] == [sent]


async def test_following_from_the_middle_of_an_append(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.log("ingest")
    for _ in range(3):
        await ingest.append("essex", columns(5, at_us=store.clock()))
    for each in (store, await start_store()):
        match = await each.log("match")
        assert positions(await collect(match, "essex", after=7, reads=8)) == list(range(8, 16))


async def test_a_response_holds_whole_appends_up_to_max_reads(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.log("ingest")
    for size in (2, 3, 9, 1):
        await ingest.append("essex", columns(size, at_us=store.clock()))
    for each in (store, await start_store()):
        match = await each.log("match")
        following = match.follow("essex", "match", after=0, max_reads=5)
        async with asyncio.timeout(PATIENCE_SECONDS):
            parts = [await anext(following) for _ in range(4)]
        assert [[append.count for append in appends_of(part)] for part in parts] == [[], [2, 3], [9], [1]]
        assert [part.position for part in parts] == [0, 5, 14, 15]
        assert [part.head for part in parts] == [15, 15, 15, 15]
        await following.aclose()


async def test_an_idle_follower_gets_progress(store: RunningStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PROGRESS_SECONDS", 0.3)
    match = await store.log("match")
    following = match.follow("essex", "match", after=0)
    async with asyncio.timeout(6):
        assert [(await anext(following)).position for _ in range(2)] == [0, 0]
    await following.aclose()


async def test_a_follower_of_another_replica_gets_a_commit_at_once(start_store: StartStore) -> None:
    one, other = await start_store(), await start_store()
    ingest, match = await one.log("ingest"), await other.log("match")
    following = match.follow("essex", "match", after=0)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await anext(following)
        for position in range(1, 6):
            await ingest.append("essex", columns(1, at_us=one.clock()))
            # Well under the second after which the other replica would look by itself.
            async with asyncio.timeout(0.8):
                assert positions(appends_of(await anext(following))) == [position]
    await following.aclose()


async def test_a_follower_may_go_on_at_another_replica(start_store: StartStore) -> None:
    one, other = await start_store(), await start_store()
    ingest = await one.log("ingest")
    elsewhere = await other.log("match")
    assert await collect(elsewhere, "essex", after=0, reads=0) == []
    head = (await ingest.append("essex", columns(3, at_us=one.clock()))).last_position
    assert await collect(elsewhere, "essex", after=head, reads=0) == []


async def test_followers_of_a_log_beyond_its_end_or_of_no_consumer_are_refused(store: RunningStore) -> None:
    match = await store.log("match")
    with pytest.raises(OutOfRange) as ahead:
        await collect(match, "essex", after=1, reads=1)
    assert ahead.value.reason == "POSITION_AHEAD"
    with pytest.raises(InvalidInput) as nameless:
        await anext(match.follow("essex", "", after=0))
    assert nameless.value.reason == "CONSUMER_INVALID"
    with pytest.raises(InvalidInput) as misnamed:
        await anext(match.follow("Essex!", "match", after=0))
    assert misnamed.value.reason == "FORCE_INVALID"


async def test_a_cursor_only_moves_forward_and_never_past_the_log(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    await ingest.append("essex", columns(5, at_us=store.clock()))
    for position in (3, 5, 2):
        await match.report_cursor("essex", "match", position)
    status = await store.status("essex")
    assert [(each.consumer, each.position) for each in status.consumers] == [("match", 5)]
    assert (status.head, status.reads_stored) == (5, 5)
    with pytest.raises(OutOfRange, match="POSITION_AHEAD"):
        await match.report_cursor("essex", "match", 6)
    for consumer in ("nas", "match"):
        await match.retire_consumer("essex", consumer)
        with pytest.raises(NotFound, match="CONSUMER_UNKNOWN"):
            await match.report_cursor("essex", consumer, 1)


async def test_a_registered_consumer_keeps_its_cursor_and_a_new_one_starts_at_the_oldest_read(
    store: RunningStore,
) -> None:
    ingest, bridge = await store.log("ingest"), await store.log("nas_bridge")
    await ingest.append("essex", columns(5, at_us=store.clock()))
    assert await bridge.register_consumer("essex", "nas") == 0
    await bridge.report_cursor("essex", "nas", 3)
    assert await bridge.register_consumer("essex", "nas") == 3
    await bridge.retire_consumer("essex", "nas")
    assert [each.consumer for each in (await store.status("essex")).consumers] == ["match"]
    assert await bridge.register_consumer("essex", "nas") == 0
    (_, nas) = (await store.status("essex")).consumers
    assert not nas.HasField("reported_at")
    with pytest.raises(InvalidInput, match="CONSUMER_INVALID"):
        await bridge.register_consumer("essex", "")


async def test_a_service_moves_and_retires_only_its_own_consumers(store: RunningStore) -> None:
    ingest, match, bridge = [await store.log(name) for name in ("ingest", "match", "nas_bridge")]
    await ingest.append("essex", columns(5, at_us=store.clock()))
    await bridge.register_consumer("essex", "nas")
    await bridge.report_cursor("essex", "nas", 2)
    # Every force has the consumer "match" from the beginning.
    for intruder, consumer in ((match, "nas"), (bridge, "match")):
        for call in (
            intruder.report_cursor("essex", consumer, 5),
            intruder.register_consumer("essex", consumer),
            intruder.retire_consumer("essex", consumer),
        ):
            with pytest.raises(Forbidden, match="CONSUMER_NOT_YOURS"):
                await call
    found = [(each.consumer, each.position) for each in (await store.status("essex")).consumers]
    assert found == [("match", 0), ("nas", 2)]
    # Also once it is retired.
    await bridge.retire_consumer("essex", "nas")
    with pytest.raises(Forbidden, match="CONSUMER_NOT_YOURS"):
        await match.register_consumer("essex", "nas")
    assert await bridge.register_consumer("essex", "nas") == 0


async def test_a_force_that_does_not_exist_has_no_log_and_gets_none(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    sent = columns(1, at_us=store.clock())
    for call in (
        ingest.append("surrey", sent),
        ingest.append("surrey", ReadColumns()),
        anext(match.follow("surrey", "match", after=0)),
        match.report_cursor("surrey", "match", 0),
        match.register_consumer("surrey", "match"),
        match.retire_consumer("surrey", "match"),
        store.status("surrey"),
    ):
        with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
            await call
    assert await store.rows("select force from forces order by force") == ["essex", "kent"]


async def test_a_retired_force_takes_nothing_new_and_is_followed_to_its_end(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    sent = columns(3, at_us=store.clock())
    await ingest.append("essex", sent)
    await PostgresForces(store.pool).retire("essex")
    with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
        await ingest.append("essex", columns(1, at_us=store.clock()))
    assert [each.columns for each in await collect(match, "essex", after=0, reads=3)] == [sent]
    await match.report_cursor("essex", "match", 3)
    await ingest.append("kent", columns(1, at_us=store.clock()))


async def test_forces_have_logs_of_their_own(store: RunningStore) -> None:
    ingest, match = await store.log("ingest"), await store.log("match")
    sent = {force: columns(4, at_us=store.clock()) for force in ("essex", "kent")}
    await asyncio.gather(*(ingest.append(force, reads) for force, reads in sent.items()))
    for force, reads in sent.items():
        assert [append.columns for append in await collect(match, force, after=0, reads=4)] == [reads]


async def test_an_empty_append_changes_nothing(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    answer = await ingest.append("essex", ReadColumns())
    assert (list(answer.duplicate_indexes), answer.last_position) == ([], 0)


async def test_broken_columns_are_refused_and_nothing_is_stored(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    broken = columns(3, at_us=store.clock())
    del broken.vrms[1]
    with pytest.raises(InvalidInput) as refused:
        await ingest.append("essex", broken)
    assert (refused.value.reason, refused.value.field) == ("COLUMNS_UNEQUAL", "reads.vrms")
    assert (await store.status("essex")).head == 0


async def test_a_large_backlog_comes_in_responses_that_can_be_received(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.log("ingest")
    for _ in range(4):
        reads = columns(3_000, at_us=store.clock())
        reads.details[:] = [bytes(500)] * 3_000
        await ingest.append("essex", reads)
    for each in (store, await start_store()):
        match = await each.log("match")
        sizes = []
        following = match.follow("essex", "match", after=0, max_reads=20_000)
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for response in following:
                sizes.append(response.ByteSize())
                if response.position == 12_000:
                    break
        await following.aclose()
        assert max(sizes) < 5 * 1024 * 1024


async def test_an_append_that_followers_could_not_receive_is_refused(store: RunningStore) -> None:
    ingest = await store.log("ingest")
    reads = columns(2, at_us=store.clock(), images=True)
    reads.overviews[0] = bytes(15 * 1024 * 1024)
    with pytest.raises(InvalidInput, match="TOO_MANY_BYTES"):
        await ingest.append("essex", reads)
