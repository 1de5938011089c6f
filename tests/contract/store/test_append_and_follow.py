"""What is appended is what followers get: from memory, from the database, and across the two."""

from __future__ import annotations

import asyncio

import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.store_pb2 import ReadBatch
from services.store.log.columns import kept

from chassis.errors import InvalidInput, OutOfRange
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.following import PATIENCE_SECONDS, collect
from tests.contract.store.reads import columns


def positions(batches: list[ReadBatch]) -> list[int]:
    return [position for batch in batches for position in batch.positions]


async def test_reads_come_back_as_they_went_in(store: RunningStore) -> None:
    ingest, match = await store.service("ingest"), await store.service("match")
    sent = columns(6, at_us=store.clock())
    answer = await ingest.append("essex", sent)
    assert (list(answer.duplicate_indexes), answer.last_position) == ([], 6)
    live = await collect(match, "essex", after=0, reads=6)
    assert [batch.reads for batch in live] == [sent]
    assert list(live[0].positions) == [1, 2, 3, 4, 5, 6]
    assert abs(live[0].received_at_us - store.clock()) < 60_000_000


async def test_the_database_gives_what_memory_gives(start_store: StartStore) -> None:
    first = await start_store()
    ingest, match = await first.service("ingest"), await first.service("match")
    now = first.clock()
    for size, images in ((3, False), (1, True), (700, False), (40, True)):
        await ingest.append("essex", columns(size, at_us=now, images=images))
    live = await collect(match, "essex", after=0, reads=744, include_images=True)
    fresh = await (await start_store()).service("match")
    assert await collect(fresh, "essex", after=0, reads=744, include_images=True) == live
    assert [len(batch.positions) for batch in live] == [3, 1, 700, 40]


async def test_a_resent_read_is_stored_once(store: RunningStore) -> None:
    ingest, match = await store.service("ingest"), await store.service("match")
    sent = columns(5, at_us=store.clock())
    await ingest.append("essex", sent)
    again = await ingest.append("essex", sent)
    assert (list(again.duplicate_indexes), again.last_position) == ([0, 1, 2, 3, 4], 0)
    mixed = columns(3, at_us=store.clock())
    mixed.MergeFrom(kept(sent, [4, 1]))
    mixed.camera_ids[:] = sent.camera_ids
    answer = await ingest.append("essex", mixed)
    assert (list(answer.duplicate_indexes), answer.last_position) == ([3, 4], 8)
    batches = await collect(match, "essex", after=0, reads=8)
    assert [read_id for batch in batches for read_id in batch.reads.read_ids] == [
        *sent.read_ids,
        *mixed.read_ids[:3],
    ]
    assert positions(batches) == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_read_twice_in_one_request_is_stored_once(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.service("ingest")
    sent = columns(4, at_us=store.clock(), images=True)
    twice = kept(sent, [0, 1, 0, 2, 1, 3])
    answer = await ingest.append("essex", twice)
    assert (list(answer.duplicate_indexes), answer.last_position) == ([2, 4], 6)
    for each in (store, await start_store()):
        match = await each.service("match")
        batches = await collect(match, "essex", after=0, reads=4, include_images=True)
        assert [batch.reads for batch in batches] == [sent]
        assert positions(batches) == [1, 2, 4, 6]


async def test_the_same_read_id_is_another_read_for_another_camera_or_time(store: RunningStore) -> None:
    ingest = await store.service("ingest")
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
    ingest = await store.service("ingest")
    day = 86_400_000_000
    sent = columns(30, at_us=store.clock() - 20 * day, step_us=day * 7 // 10)
    assert (await ingest.append("essex", sent)).last_position == 30
    assert list((await ingest.append("essex", sent)).duplicate_indexes) == list(range(30))
    fresh = await (await start_store()).service("match")
    batches = await collect(fresh, "essex", after=0, reads=30)
    assert [batch.reads for batch in batches] == [sent]


async def test_following_from_the_middle_of_an_append(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.service("ingest")
    for _ in range(3):
        await ingest.append("essex", columns(5, at_us=store.clock()))
    for each in (store, await start_store()):
        match = await each.service("match")
        assert positions(await collect(match, "essex", after=7, reads=8)) == list(range(8, 16))


async def test_a_response_holds_whole_appends_up_to_max_reads(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.service("ingest")
    for size in (2, 3, 9, 1):
        await ingest.append("essex", columns(size, at_us=store.clock()))
    for each in (store, await start_store()):
        match = await each.service("match")
        following = match.follow("essex", "match", after=0, max_reads=5)
        async with asyncio.timeout(PATIENCE_SECONDS):
            parts = [await anext(following) for _ in range(4)]
        assert [[len(batch.positions) for batch in part.batches] for part in parts] == [[], [2, 3], [9], [1]]
        assert [part.position for part in parts] == [0, 5, 14, 15]
        assert [part.head for part in parts] == [15, 15, 15, 15]
        await following.aclose()


async def test_an_idle_follower_hears_that_it_is_up_to_date(store: RunningStore) -> None:
    match = await store.service("match")
    following = match.follow("essex", "match", after=0)
    async with asyncio.timeout(6):
        assert [(await anext(following)).position for _ in range(2)] == [0, 0]
    await following.aclose()


async def test_a_follower_of_another_replica_hears_of_a_commit_at_once(start_store: StartStore) -> None:
    one, other = await start_store(), await start_store()
    ingest, match = await one.service("ingest"), await other.service("match")
    following = match.follow("essex", "match", after=0)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await anext(following)
        for position in range(1, 6):
            await ingest.append("essex", columns(1, at_us=one.clock()))
            # Well under the second after which the other replica would look by itself.
            async with asyncio.timeout(0.8):
                assert positions(list((await anext(following)).batches)) == [position]
    await following.aclose()


async def test_a_follower_may_go_on_at_another_replica(start_store: StartStore) -> None:
    one, other = await start_store(), await start_store()
    ingest = await one.service("ingest")
    elsewhere = await other.service("match")
    assert await collect(elsewhere, "essex", after=0, reads=0) == []
    head = (await ingest.append("essex", columns(3, at_us=one.clock()))).last_position
    assert await collect(elsewhere, "essex", after=head, reads=0) == []


async def test_followers_of_a_log_beyond_its_end_or_of_no_consumer_are_refused(store: RunningStore) -> None:
    match = await store.service("match")
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
    ingest, match = await store.service("ingest"), await store.service("match")
    await ingest.append("essex", columns(5, at_us=store.clock()))
    for position in (3, 5, 2):
        await match.report_cursor("essex", "match", position)
    status = await match.status("essex")
    assert [(each.consumer, each.position) for each in status.consumers] == [("match", 5)]
    assert (status.head, status.reads_stored) == (5, 5)
    with pytest.raises(OutOfRange) as ahead:
        await match.report_cursor("essex", "match", 6)
    assert ahead.value.reason == "POSITION_AHEAD"


async def test_forces_have_logs_of_their_own(store: RunningStore) -> None:
    ingest, match = await store.service("ingest"), await store.service("match")
    sent = {force: columns(4, at_us=store.clock()) for force in ("essex", "kent")}
    await asyncio.gather(*(ingest.append(force, reads) for force, reads in sent.items()))
    for force, reads in sent.items():
        assert [batch.reads for batch in await collect(match, force, after=0, reads=4)] == [reads]


async def test_an_empty_append_changes_nothing(store: RunningStore) -> None:
    ingest = await store.service("ingest")
    answer = await ingest.append("essex", ReadColumns())
    assert (list(answer.duplicate_indexes), answer.last_position) == ([], 0)


async def test_broken_columns_are_refused_and_nothing_is_stored(store: RunningStore) -> None:
    ingest, match = await store.service("ingest"), await store.service("match")
    broken = columns(3, at_us=store.clock())
    del broken.vrms[1]
    with pytest.raises(InvalidInput) as refused:
        await ingest.append("essex", broken)
    assert (refused.value.reason, refused.value.field) == ("COLUMNS_UNEQUAL", "reads.vrms")
    assert (await match.status("essex")).head == 0


async def test_a_large_backlog_comes_in_responses_that_can_be_received(start_store: StartStore) -> None:
    store = await start_store()
    ingest = await store.service("ingest")
    for _ in range(4):
        reads = columns(3_000, at_us=store.clock())
        reads.details[:] = [bytes(500)] * 3_000
        await ingest.append("essex", reads)
    for each in (store, await start_store()):
        match = await each.service("match")
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
    ingest = await store.service("ingest")
    reads = columns(2, at_us=store.clock(), images=True)
    reads.overviews[0] = bytes(15 * 1024 * 1024)
    with pytest.raises(InvalidInput, match="TOO_MANY_BYTES"):
        await ingest.append("essex", reads)
