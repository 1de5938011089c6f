"""What a vendor delivers is acknowledged in order, after it is durable, each read judged by itself."""

from __future__ import annotations

import time

import pytest
from gantry.common.v1.read_pb2 import Position, ReadDetails
from gantry.ingest.v1 import cameras_pb2
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry_sdk import FeedRefused, Receipt, StreamLimits, read

from reads.read import read_at
from tests.contract.ingest.conftest import QUICK, RunningIngest, StoreProcess, unique_ids
from tests.unit.ingest.test_checking import JPEG


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
    appends = await store_process.appends(force)
    stored = {
        read.read_id: read
        for append in appends
        for read in (read_at(force, append.columns, index) for index in range(append.count))
    }
    assert {read_id: read.camera_id for read_id, read in stored.items()} == {
        **dict.fromkeys(first, "a"),
        **dict.fromkeys(second, "b"),
    }
    assert stored[first[0]].position == Position(latitude=51.5, longitude=-0.25)
    assert not stored[second[0]].HasField("position")
    assert (stored[second[0]].heading, stored[second[0]].details.lane) == (7, 2)


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
    assert len(await store_process.read_ids(force)) == 21


async def test_one_bad_read_never_sinks_its_batch(
    ingest: RunningIngest, store_process: StoreProcess, force: str
) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    reads = reads_of("a", unique_ids(30))
    reads[4].vrm = "AB12?"
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
    appends = await store_process.appends(force)
    pictures = {
        read_id: (append.columns.plate_patches[index], append.columns.overviews[index])
        for append in appends
        for index, read_id in enumerate(append.columns.read_ids)
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
    appends = await store_process.appends(force)
    assert sum(append.count for append in appends) == 200
    assert len(appends) < 100


async def test_a_feed_keeps_its_order(ingest: RunningIngest, store_process: StoreProcess, force: str) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    feed = (await ingest.connect()).feed(token, limits=StreamLimits(unacknowledged_reads=1_000))
    ids = unique_ids(600)
    async with feed.stream() as stream:
        for start in range(0, 600, 3):
            await stream.send(reads_of("a", ids[start : start + 3]))
    assert await store_process.read_ids(force) == ids


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


@pytest.mark.parametrize("token", ["gf_nobody", "x" * 5_000])
async def test_unknown_tokens(ingest: RunningIngest, token: str) -> None:
    feed = (await ingest.connect()).feed(token, backoff=QUICK)
    with pytest.raises(FeedRefused) as caught:
        await feed.submit(reads_of("a", ["1"]))
    assert caught.value.reason == "TOKEN_UNKNOWN"
    with pytest.raises(FeedRefused) as caught:
        async with feed.stream() as stream:
            await stream.send(reads_of("a", ["1"]))
    assert caught.value.reason == "TOKEN_UNKNOWN"
