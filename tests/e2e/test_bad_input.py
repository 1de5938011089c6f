"""Bad input at the public door: a status or a reason to act on, a count, and nothing good lost."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import pytest
import pytest_asyncio
from gantry.ingest.v1 import cameras_pb2, cameras_pb2_grpc
from gantry.ingest.v1.ingest_pb2 import (
    RejectionReason,
    StreamReadsRequest,
    SubmitReadsRequest,
    SubmittedRead,
    WarningReason,
)
from gantry.store.v1 import search_pb2

from chassis.client import open_channel
from chassis.errors import Fault, fault_from
from suite.suite import Suite
from tests.e2e.door import (
    JPEG,
    SERVICE,
    EnrolledFeed,
    ReadMaker,
    bearer,
    converse,
    enrol,
    public_channel,
    submit,
    submit_reads,
)
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import PURPOSE, log_of, search_for
from tests.e2e.pages import counter
from tests.e2e.spoiled import SPOILED, Spoil
from tests.e2e.waiting import eventually

pytestmark = SHARED_SUITE

FORCE = "avon"
PLATE = "XV71KWZ"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def door(suite: Suite) -> AsyncIterator[grpc.aio.Channel]:
    async with public_channel(suite) as channel:
        yield channel


@pytest_asyncio.fixture(loop_scope="session")
async def feed(suite: Suite, feed_name: Callable[[str], str]) -> EnrolledFeed:
    name = feed_name("bad")
    return await enrol(suite, FORCE, name, (f"{name}-a", f"{name}-off"))


def _spoiled(maker: ReadMaker, spoil: Spoil) -> SubmittedRead:
    read = maker.one(PLATE)
    spoil(read)
    return read


async def test_each_bad_read_is_named_and_the_good_ones_beside_it_are_kept(
    suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed
) -> None:
    maker = ReadMaker(feed)
    before = await counter(suite, "ingest", "gantry_ingest_rejections", "reason")
    reads, good = [], []
    for _, _, spoil in SPOILED:
        good.append(maker.one(PLATE))
        reads += [_spoiled(maker, spoil), good[-1]]
    ack = (await submit_reads(door, feed.token, reads)).ack
    named = [(each.index, _reason(each), each.field.partition(".")[0]) for each in ack.rejections]
    wanted = [(2 * number, reason, field) for number, (reason, field, _) in enumerate(SPOILED)]
    assert named == wanted
    assert (ack.accepted, ack.duplicate) == (len(SPOILED), 0)
    assert all(each.message and PLATE not in each.message for each in ack.rejections)
    assert await _kept(suite, feed) == {read.read_id for read in good}
    await _are_counted(suite, before, [reason for reason, *_ in SPOILED])
    await _is_in_camera_health(suite, feed, "VRM_EMPTY", 2)


@pytest.mark.parametrize(("reason", "field", "spoil"), SPOILED)
async def test_a_bad_read_alone_is_an_answer_and_no_error(
    door: grpc.aio.Channel, feed: EnrolledFeed, reason: str, field: str, spoil: Spoil
) -> None:
    ack = (await submit_reads(door, feed.token, [_spoiled(ReadMaker(feed), spoil)])).ack
    assert [(_reason(each), ack.accepted) for each in ack.rejections] == [(reason, 0)]


async def test_a_read_that_is_no_message_or_no_text_costs_itself_only(
    suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed
) -> None:
    maker = ReadMaker(feed)
    first, last = maker.one(PLATE), maker.one(PLATE)
    not_text = maker.one("QQQQ").SerializeToString().replace(b"QQQQ", b"\xff\xfe\xc3\x28")
    cut = maker.one(PLATE).SerializeToString()[:-3]
    encoded = [first.SerializeToString(), not_text, b"\xff\xff\xff", cut, last.SerializeToString()]
    ack = (await submit(door, feed.token, _listed(0x0A, encoded))).ack
    assert [(each.index, _reason(each)) for each in ack.rejections] == [
        (1, "NOT_UTF8"),
        (2, "MALFORMED"),
        (3, "MALFORMED"),
    ]
    assert ack.rejections[0].field == "vrm"
    assert ack.accepted == 2
    assert await _kept(suite, feed) == {first.read_id, last.read_id}
    stream = await converse(door, feed.token, [b"\x08\x07" + _listed(0x12, encoded)])
    assert [(each.sequence, each.duplicate, len(each.rejections)) for each in stream.acks] == [(7, 2, 3)]


def _listed(tag: int, encoded: Sequence[bytes]) -> bytes:
    return b"".join(bytes((tag,)) + _varint(len(each)) + each for each in encoded)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))


@pytest.mark.parametrize("way", ["cut", "noise"])
async def test_bytes_that_are_no_batch(
    suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed, way: str
) -> None:
    good = SubmitReadsRequest(reads=[ReadMaker(feed).one(PLATE)]).SerializeToString()
    raw = good[:-5] if way == "cut" else b"\xff" * 40
    with pytest.raises(Fault) as caught:
        await submit(door, feed.token, raw)
    _is_fault(caught.value, grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")
    stream = await converse(door, feed.token, [b"\xff" * 40])
    _is_fault(stream.fault, grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")
    counted = await counter(suite, "ingest", "gantry_rpc_errors", "reason")
    assert counted["MALFORMED_MESSAGE"] >= 2


@pytest.mark.parametrize(
    ("process", "method"),
    [
        ("ingest", "ingest.v1.CameraRegistryService/ListCameras"),
        ("store", "store.v1.SearchService/SearchReads"),
        ("match", "match.v1.AlertService/Subscribe"),
    ],
)
async def test_bytes_that_are_no_request_of_a_person(suite: Suite, process: str, method: str) -> None:
    before = await counter(suite, process, "gantry_rpc_errors", "reason")
    async with open_channel(suite.address(process), suite.person()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(f"/gantry.{method}")(b"\xff" * 40)
    _is_fault(fault_from(caught.value), grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")
    after = await counter(suite, process, "gantry_rpc_errors", "reason")
    assert after["MALFORMED_MESSAGE"] - before["MALFORMED_MESSAGE"] == 1


async def test_a_batch_of_too_many_reads(suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed) -> None:
    maker = ReadMaker(feed)
    many = [maker.one(PLATE) for _ in range(1_001)]
    with pytest.raises(Fault) as caught:
        await submit_reads(door, feed.token, many)
    _is_fault(caught.value, grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE")
    good = StreamReadsRequest(sequence=1, reads=[maker.one(PLATE)])
    stream = await converse(door, feed.token, [good, StreamReadsRequest(sequence=2, reads=many)])
    _is_fault(stream.fault, grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE")
    # It does not lose earlier batches of the stream.
    await _will_be_kept(suite, feed, {good.reads[0].read_id})


async def test_a_message_that_is_too_large(door: grpc.aio.Channel, feed: EnrolledFeed) -> None:
    opening = await converse(door, feed.token, [])
    limit = opening.answers[0].flow_control.max_batch_bytes
    assert limit >= 1024 * 1024
    reads = [ReadMaker(feed).one(PLATE, overview=b"\xff" * (limit + 1))]
    with pytest.raises(Fault) as caught:
        await submit_reads(door, feed.token, reads)
    assert caught.value.status is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_sequence_that_does_not_increase(
    suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed
) -> None:
    maker = ReadMaker(feed)
    first, second = (StreamReadsRequest(sequence=5, reads=[maker.one(PLATE)]) for _ in range(2))
    stream = await converse(door, feed.token, [first, second])
    _is_fault(stream.fault, grpc.StatusCode.INVALID_ARGUMENT, "SEQUENCE_NOT_INCREASING")
    await _will_be_kept(suite, feed, {first.reads[0].read_id})


async def test_an_empty_batch_is_a_heartbeat(door: grpc.aio.Channel, feed: EnrolledFeed) -> None:
    stream = await converse(
        door, feed.token, [StreamReadsRequest(sequence=1), StreamReadsRequest(sequence=9)]
    )
    assert stream.fault is None
    assert stream.answers[0].HasField("flow_control")
    assert [(ack.sequence, ack.accepted) for ack in stream.acks] == [(1, 0), (9, 0)]


@pytest.mark.parametrize(
    ("token", "reason"), [(None, "TOKEN_MISSING"), ("", "TOKEN_MISSING"), ("gf_nonsense", "TOKEN_UNKNOWN")]
)
async def test_no_token_or_a_wrong_one(
    door: grpc.aio.Channel, feed: EnrolledFeed, token: str | None, reason: str
) -> None:
    reads = [ReadMaker(feed).one(PLATE)]
    with pytest.raises(Fault) as caught:
        await submit_reads(door, token, reads)  # type: ignore[arg-type]
    _is_fault(caught.value, grpc.StatusCode.UNAUTHENTICATED, reason)
    # Nothing is written: gRPC can lose the status of a call that the server ends during a write.
    stream = await converse(door, token, [])
    _is_fault(stream.fault, grpc.StatusCode.UNAUTHENTICATED, reason)
    assert stream.acks == []


async def test_a_replaced_token_ends_open_streams_too(
    suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed
) -> None:
    maker = ReadMaker(feed)
    stream = door.stream_stream(
        f"{SERVICE}/StreamReads", StreamReadsRequest.SerializeToString, lambda raw: raw
    )
    call = stream(metadata=bearer(feed.token), timeout=30)
    await call.write(StreamReadsRequest(sequence=1, reads=[maker.one(PLATE)]))
    assert await call.read() is not grpc.aio.EOF
    async with open_channel(suite.address("ingest"), suite.person()) as channel:
        answer = await cameras_pb2_grpc.CameraRegistryServiceStub(channel).EnrolCameras(
            cameras_pb2.EnrolCamerasRequest(
                force=FORCE,
                feed=feed.name,
                cameras=[cameras_pb2.Camera(camera_id=feed.cameras[0])],
                new_token=True,
                request_id=str(uuid.uuid4()),
            )
        )
    assert answer.token not in {"", feed.token}
    with pytest.raises(Fault) as caught:
        await submit_reads(door, feed.token, [maker.one(PLATE)])
    _is_fault(caught.value, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_UNKNOWN")
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await _to_the_end(call)
    _is_fault(fault_from(ended.value), grpc.StatusCode.UNAUTHENTICATED, "TOKEN_UNKNOWN")
    assert (await submit_reads(door, answer.token, [maker.one(PLATE)])).ack.accepted == 1


async def test_a_camera_that_is_switched_off(
    suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed
) -> None:
    maker = ReadMaker(feed)
    async with open_channel(suite.address("ingest"), suite.person()) as channel:
        registry = cameras_pb2_grpc.CameraRegistryServiceStub(channel)
        request = cameras_pb2.SetCameraEnabledRequest(force=FORCE, camera_id=feed.cameras[1], enabled=False)
        assert (await registry.SetCameraEnabled(request)).camera.enabled is False

    async def refused() -> bool:
        reads = [maker.one(PLATE, camera_id=feed.cameras[1]), maker.one(PLATE)]
        ack = (await submit_reads(door, feed.token, reads)).ack
        return [_reason(each) for each in ack.rejections] == ["CAMERA_DISABLED"] and ack.accepted == 1

    await eventually(refused, within=6, what="the refusal of a camera that is off")


async def test_another_feed_s_camera(suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed) -> None:
    other = await enrol(suite, FORCE, f"{feed.name}-other")
    ack = (
        await submit_reads(door, feed.token, [ReadMaker(other).one(PLATE), ReadMaker(feed).one(PLATE)])
    ).ack
    assert [_reason(each) for each in ack.rejections] == ["CAMERA_UNKNOWN"]
    assert ack.accepted == 1


async def test_a_bad_picture_costs_the_picture_and_not_the_read(
    suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed
) -> None:
    maker = ReadMaker(feed)
    before = await counter(suite, "ingest", "gantry_ingest_warnings", "reason")
    large = JPEG[:-2] + b"\x00" * 4_000 + JPEG[-2:]
    reads = [
        maker.one(PLATE, plate_patch=JPEG, overview=JPEG),
        maker.one(PLATE, plate_patch=JPEG[:-2], overview=JPEG),
        maker.one(PLATE, plate_patch=large, overview=b"GIF89a"),
        maker.one(PLATE, plate_patch=JPEG, overview=JPEG + b"\x00" * 30_000),
    ]
    ack = (await submit_reads(door, feed.token, reads)).ack
    assert (ack.accepted, len(ack.rejections)) == (4, 0)
    told = sorted((each.index, each.field, WarningReason.Name(each.reason)) for each in ack.warnings)
    assert told == [
        (1, "plate_patch", "WARNING_REASON_IMAGE_INVALID"),
        (2, "overview", "WARNING_REASON_IMAGE_INVALID"),
        (2, "plate_patch", "WARNING_REASON_IMAGE_TOO_LARGE"),
        (3, "overview", "WARNING_REASON_IMAGE_TOO_LARGE"),
    ]
    after = await counter(suite, "ingest", "gantry_ingest_warnings", "reason")
    for reason in ("IMAGE_INVALID", "IMAGE_TOO_LARGE"):
        assert after[reason] - before[reason] == 2
    assert await _sizes(suite, reads) == [(len(JPEG), len(JPEG)), (0, len(JPEG)), (0, 0), (len(JPEG), 0)]


async def _sizes(suite: Suite, reads: Sequence[SubmittedRead]) -> list[tuple[int, int]]:
    found = []
    async with search_for(suite) as search:
        for read in reads:
            request = search_pb2.GetReadRequest(force=FORCE, purpose=PURPOSE, read_id=read.read_id)
            stored = (await search.GetRead(request)).read
            found.append((stored.plate_patch_bytes, stored.overview_bytes))
    return found


async def _to_the_end(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


def _reason(rejection: Any) -> str:
    return RejectionReason.Name(rejection.reason).removeprefix("REJECTION_REASON_")


def _is_fault(fault: Fault | None, status: grpc.StatusCode, reason: str) -> None:
    assert fault is not None
    assert (fault.status, fault.reason) == (status, reason)
    assert fault.message
    assert PLATE not in fault.message


async def _kept(suite: Suite, feed: EnrolledFeed) -> set[str]:
    log = await log_of(suite, feed.force)
    return {entry.identity[3] for entry in log if entry.identity[1] in feed.cameras}


async def _will_be_kept(suite: Suite, feed: EnrolledFeed, wanted: set[str]) -> None:
    async def kept() -> bool:
        return await _kept(suite, feed) == wanted

    await eventually(kept, within=10, what=f"{len(wanted)} reads in the log")


async def _are_counted(suite: Suite, before: dict[str, float], reasons: Sequence[str]) -> None:
    wanted = {reason: before.get(reason, 0.0) + reasons.count(reason) for reason in set(reasons)}

    async def counted() -> bool:
        now = await counter(suite, "ingest", "gantry_ingest_rejections", "reason")
        return all(now.get(reason, 0.0) >= count for reason, count in wanted.items())

    await eventually(counted, within=10, what="the count of rejections by reason")


async def _is_in_camera_health(suite: Suite, feed: EnrolledFeed, reason: str, count: int) -> None:
    async with open_channel(suite.address("ingest"), suite.person()) as channel:
        health = cameras_pb2_grpc.CameraHealthServiceStub(channel)

        async def told() -> bool:
            page = await health.ListCameraHealth(
                cameras_pb2.ListCameraHealthRequest(force=feed.force, page_size=1_000)
            )
            mine = [each for each in page.cameras if each.camera_id == feed.cameras[0]]
            counts = {_reason(each): each.count for camera in mine for each in camera.rejected}
            return counts.get(reason) == count

        await eventually(told, within=15, what="the camera's health")


async def test_many_bad_clients_at_once_leave_a_good_one_alone(
    suite: Suite, door: grpc.aio.Channel, feed: EnrolledFeed
) -> None:
    maker = ReadMaker(feed)
    good = [StreamReadsRequest(sequence=n, reads=[maker.one(PLATE)]) for n in range(1, 21)]
    bad = [[b"\xff" * 9], [good[0], good[0]], [StreamReadsRequest(sequence=1, reads=[SubmittedRead()])]]
    clients = [converse(door, feed.token, messages) for messages in bad * 5]
    outcome, *_ = await asyncio.gather(converse(door, feed.token, good), *clients)
    assert outcome.fault is None
    assert [ack.sequence for ack in outcome.acks] == list(range(1, 21))
    assert await _kept(suite, feed) == {each.reads[0].read_id for each in good}
