"""What a vendor delivers is acknowledged in order, after it is durable, each read judged by itself."""

from __future__ import annotations

import time

import pytest
from gantry.common.v1.read_pb2 import Position, ReadDetails
from gantry.ingest.v1 import cameras_pb2
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry_sdk import FeedRefused, Receipt, StreamLimits, read
from tests.unit.ingest.test_columns import JPEG

from tests.contract.ingest.conftest import QUICK, RunningIngest, StoreProcess, unique_ids


def now_us() -> int:
    return time.time_ns() // 1000


def reads_of(camera_id: str, ids: list[str], **changes: object) -> list[pb.SubmittedRead]:
    at = now_us()
    return [
        read(camera_id=camera_id, read_id=read_id, captured_at=at + number, vrm="AB12CDE", **changes)
        for number, read_id in enumerate(ids)
    ]


async def test_a_stream_end_to_end(ingest: RunningIngest, store_process: StoreProcess, force: str) -> None:
    fixed = cameras_pb2.Camera(camera_id="a", position=Position(latitude=51.5, longitude=-0.25))
    token = await ingest.enrol(force, "gateway", fixed, "b")
    feed = (await ingest.connect()).feed(token)
    first, second = unique_ids(3), unique_ids(2)
    receipts: list[Receipt] = []
    async with feed.stream(receipts.append) as stream:
        await stream.send(reads_of("a", first), tag="first")
        await stream.send([], tag="heartbeat")
        await stream.send(reads_of("b", second, details=ReadDetails(lane=2), heading=7), tag="second")
    assert [receipt.tag for receipt in receipts] == ["first", "heartbeat", "second"]
    assert [receipt.accepted for receipt in receipts] == [3, 0, 2]
    batches = [batch for response in await store_process.reads(force) for batch in response.batches]
    stored = {
        (batch.reads.camera_ids[batch.reads.camera_indexes[index]], read_id)
        for batch in batches
        for index, read_id in enumerate(batch.reads.read_ids)
    }
    assert stored == {("a", read_id) for read_id in first} | {("b", read_id) for read_id in second}
    places = {
        batch.reads.read_ids[index]: batch.reads.latitudes_e7[index]
        for batch in batches
        for index in range(len(batch.reads.read_ids))
    }
    assert places[first[0]] == 515_000_000
    assert places[second[0]] == 2_147_483_647


async def test_resending_stores_once(ingest: RunningIngest, store_process: StoreProcess, force: str) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    feed = (await ingest.connect()).feed(token)
    reads = reads_of("a", unique_ids(20))
    receipts: list[Receipt] = []
    async with feed.stream(receipts.append) as stream:
        await stream.send(reads)
        await stream.send(reads)
        await stream.send([reads[3], *reads_of("a", unique_ids(1)), reads[4]])
    assert [(receipt.accepted, receipt.duplicate) for receipt in receipts] == [(20, 0), (0, 20), (1, 2)]
    again = await feed.submit(reads)
    assert (again.accepted, again.duplicate) == (0, 20)
    responses = await store_process.reads(force)
    assert sum(len(batch.positions) for response in responses for batch in response.batches) == 21


async def test_one_bad_read_never_sinks_its_batch(
    ingest: RunningIngest, store_process: StoreProcess, force: str
) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    reads = reads_of("a", unique_ids(30))
    reads[4].vrm = "?"
    reads[7].camera_id = "nobody"
    reads[11].force = "another"
    reads[13].captured_at.seconds += 3600
    reads[17].plate_patch = b"not a jpeg"
    reads[18].plate_patch = reads[18].overview = JPEG
    receipt = await (await ingest.connect()).feed(token).submit(reads)
    assert receipt.accepted == 26
    refused = {each.index: pb.RejectionReason.Name(each.reason)[17:] for each in receipt.rejections}
    assert refused == {4: "VRM_INVALID", 7: "CAMERA_UNKNOWN", 11: "WRONG_FORCE", 13: "TIME_IN_FUTURE"}
    assert [(each.index, each.field) for each in receipt.warnings] == [(17, "plate_patch")]
    batches = [batch for response in await store_process.reads(force) for batch in response.batches]
    pictures = {
        read_id: (batch.reads.plate_patches[index], batch.reads.overviews[index])
        for batch in batches
        for index, read_id in enumerate(batch.reads.read_ids)
    }
    assert pictures[reads[18].read_id] == (JPEG, JPEG)
    assert pictures[reads[17].read_id] == (b"", b"")


async def test_broken_bytes_among_good(ingest: RunningIngest, force: str) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    good = [each.SerializeToString() for each in reads_of("a", unique_ids(2))]
    data = b"".join(
        b"\x0a" + bytes([len(each)]) + each for each in (good[0], b"\xff\xff", b"\x22\x01\xff", good[1])
    )
    submit = (await ingest.channel()).unary_unary(
        "/gantry.ingest.v1.IngestService/SubmitReads", None, pb.SubmitReadsResponse.FromString
    )
    response = await submit(data, metadata=[("authorization", f"Bearer {token}")])
    assert response.ack.accepted == 2
    assert [each.reason for each in response.ack.rejections] == [
        pb.REJECTION_REASON_MALFORMED,
        pb.REJECTION_REASON_NOT_UTF8,
    ]


async def test_many_streams_share_commits(
    ingest: RunningIngest, store_process: StoreProcess, force: str
) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    connection = await ingest.connect()
    receipts: list[Receipt] = []
    streams = [connection.feed(token).stream(receipts.append) for _ in range(40)]
    for stream in streams:
        await stream.__aenter__()
        await stream.wait_connected()
    for _ in range(5):
        for stream in streams:
            await stream.send(reads_of("a", unique_ids(1)))
    for stream in streams:
        await stream.__aexit__(None, None, None)
    assert sum(receipt.accepted for receipt in receipts) == 200
    batches = [batch for response in await store_process.reads(force) for batch in response.batches]
    assert sum(len(batch.positions) for batch in batches) == 200
    assert len(batches) < 100


async def test_a_feed_keeps_its_order(ingest: RunningIngest, store_process: StoreProcess, force: str) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    feed = (await ingest.connect()).feed(token, limits=StreamLimits(unacknowledged_reads=1_000))
    ids = unique_ids(600)
    async with feed.stream() as stream:
        for start in range(0, 600, 3):
            await stream.send(reads_of("a", ids[start : start + 3]))
    responses = await store_process.reads(force)
    stored = [
        read_id for response in responses for batch in response.batches for read_id in batch.reads.read_ids
    ]
    assert stored == ids


async def test_receipts_of_an_iterator(ingest: RunningIngest, force: str) -> None:
    token = await ingest.enrol(force, "gateway", "a")

    async def batches():
        for _ in range(3):
            yield reads_of("a", unique_ids(2))

    feed = (await ingest.connect()).feed(token)
    assert [receipt.accepted async for receipt in feed.deliver(batches())] == [2, 2, 2]


async def test_lists_are_split_to_the_servers_limits(ingest: RunningIngest, force: str) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    receipts: list[Receipt] = []
    async with (await ingest.connect()).feed(token).stream(receipts.append) as stream:
        await stream.wait_connected()
        await stream.send(reads_of("a", unique_ids(2_300)))
    assert [(receipt.offset, receipt.accepted) for receipt in receipts] == [
        (0, 1_000),
        (1_000, 1_000),
        (2_000, 300),
    ]


@pytest.mark.parametrize("token", ["", "gf_nobody", "x" * 5_000])
async def test_unknown_tokens(ingest: RunningIngest, token: str) -> None:
    feed = (await ingest.connect()).feed(token, backoff=QUICK)
    with pytest.raises(FeedRefused) as caught:
        await feed.submit(reads_of("a", ["1"]))
    reasons = {"TOKEN_UNKNOWN", "TOKEN_MISSING"}
    assert caught.value.reason in reasons
    with pytest.raises(FeedRefused) as caught:
        async with feed.stream() as stream:
            await stream.send(reads_of("a", ["1"]))
    assert caught.value.reason in reasons
