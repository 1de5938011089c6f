"""What vendors are told of words, mangled plates, countries and places, and what is counted."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1 import cameras_pb2
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.store.v1 import forces_pb2
from gantry_sdk import Receipt
from google.protobuf.timestamp_pb2 import Timestamp

from reads.read import read_at
from tests.contract.ingest.conftest import RunningIngest, StartIngest, StoreProcess, unique_ids
from tests.contract.ingest.test_deliver import reads_of
from tests.unit.ingest.test_jpeg import picture, with_size

HERE = Position(latitude=51.7, longitude=0.5)
FAR = Position(latitude=51.8, longitude=0.5)
NULL_ISLAND = Position(latitude=0.0, longitude=0.000001)


def camera(camera_id: str, kind: int = cameras_pb2.CAMERA_KIND_FIXED, **fields: Any) -> cameras_pb2.Camera:
    return cameras_pb2.Camera(camera_id=camera_id, kind=cameras_pb2.CameraKind.ValueType(kind), **fields)


def placed(camera_id: str, read_id: str, place: Position) -> pb.SubmittedRead:
    (read,) = reads_of(camera_id, [read_id])
    read.position.CopyFrom(place)
    return read


def rejected(receipt: Receipt) -> dict[int, str]:
    return {each.index: pb.RejectionReason.Name(each.reason)[17:] for each in receipt.rejections}


def warned(receipt: Receipt) -> list[tuple[int, str, str]]:
    return [(each.index, pb.WarningReason.Name(each.reason)[15:], each.field) for each in receipt.warnings]


async def stored(store: StoreProcess, force: str) -> dict[str, Any]:
    found = {}
    for append in await store.appends(force):
        for index in range(append.count):
            read = read_at(force, append.columns, index)
            found[read.read_id] = read
    return found


async def health_of(ingest: RunningIngest, force: str, camera_id: str, done: Callable[[Any], bool]) -> Any:
    client = await ingest.cameras(force)
    async with asyncio.timeout(10):
        while True:
            found = {each.camera_id: each async for each in client.health(force)}
            if camera_id in found and done(found[camera_id]):
                return found[camera_id]
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("others", [0, 20])
async def test_words_and_mangled_plates_are_rejected_by_name_and_counted(
    start_ingest: StartIngest, force: str, others: int
) -> None:
    ingest = await start_ingest(health_seconds=0.05)
    feed = (await ingest.connect()).feed(await ingest.enrol(force, "gateway", "a"))
    reads = reads_of("a", unique_ids(6 + others))
    for each, vrm in zip(
        reads, ("UNKNOWN", "no plate", "N/A", "10-Mar", "123456.0", "АВ12СОЕ"), strict=False
    ):
        each.vrm = vrm
    receipt = await feed.submit(reads)
    not_read, mangled = "VRM_NOT_READ", "VRM_MANGLED"
    expected = {0: not_read, 1: not_read, 2: not_read, 3: mangled, 4: mangled, 5: "VRM_INVALID"}
    assert rejected(receipt) == expected
    said = {each.index: each.message for each in receipt.rejections}
    assert "date" in said[3]
    assert "fraction" in said[4]
    assert "Cyrillic" in said[5]
    health = await health_of(ingest, force, "a", lambda one: len(one.rejected) == 3)
    assert {pb.RejectionReason.Name(each.reason)[17:]: each.count for each in health.rejected} == {
        not_read: 3, mangled: 2, "VRM_INVALID": 1
    }  # fmt: skip


async def test_a_country_is_split_off_and_stored(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    ingest = await start_ingest(health_seconds=0.05)
    feed = (await ingest.connect()).feed(await ingest.enrol(force, "gateway", "a"))
    ids = unique_ids(4)
    reads = reads_of("a", ids)
    for each, vrm in zip(reads, ("CS31 AAA-GBR", "CS31 AAA (GB)", "GB-CS31AAA", "AB12-GBR"), strict=True):
        each.vrm = vrm
    assert warned(await feed.submit(reads)) == [(index, "COUNTRY_SPLIT", "vrm") for index in range(3)]
    found = await stored(store_process, force)
    assert [(found[one].vrm, found[one].details.plate_country) for one in ids] == [
        ("CS31AAA", "GB"), ("CS31AAA", "GB"), ("CS31AAA", "GB"), ("AB12GBR", "")
    ]  # fmt: skip
    await health_of(ingest, force, "a", lambda one: [each.count for each in one.warnings] == [3])


async def test_impossible_places_are_told_marked_and_counted(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    ingest = await start_ingest(health_seconds=0.05)
    mobile = camera("car", cameras_pb2.CAMERA_KIND_MOBILE)
    token = await ingest.enrol(force, "gateway", camera("placed", position=HERE), mobile)
    feed = (await ingest.connect()).feed(token)
    ids = unique_ids(5)
    places = [("placed", NULL_ISLAND), ("placed", FAR), ("placed", HERE), ("car", NULL_ISLAND), ("car", FAR)]
    reads = [placed(name, one, place) for one, (name, place) in zip(ids, places, strict=True)]
    receipt = await feed.submit(reads)
    assert receipt.accepted == 5
    assert warned(receipt) == [
        (0, "POSITION_UNKNOWN", "position"),
        (1, "POSITION_DOUBTFUL", "position"),
        (3, "POSITION_UNKNOWN", "position"),
    ]
    assert all(each.message for each in receipt.warnings)
    found = [(await stored(store_process, force))[one] for one in ids]
    assert [each.details.position_doubtful for each in found] == [False, True, False, False, False]
    assert [each.HasField("position") for each in found] == [True, True, True, False, True]
    assert (found[0].position, found[1].position, found[4].position) == (HERE, FAR, FAR)
    counted = await health_of(ingest, force, "placed", lambda one: len(one.warnings) == 2)
    assert {pb.WarningReason.Name(each.reason)[15:]: each.count for each in counted.warnings} == {
        "POSITION_UNKNOWN": 1, "POSITION_DOUBTFUL": 1
    }  # fmt: skip


async def test_a_duplicate_that_differs_is_named_in_its_batch_and_counted(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    """Batches of two streams share appends: each warning has to reach its own batch and read."""
    ingest = await start_ingest(health_seconds=0.05)
    feed = (await ingest.connect()).feed(await ingest.enrol(force, "gateway", "a", "b"))
    first, second = reads_of("a", unique_ids(6)), reads_of("b", unique_ids(6))
    await feed.submit(first + second)
    for each in (first[1], second[4]):
        each.vrm, each.confidence = "CD34EFG", 0.99
    first[3].vrm, second[0].vrm = "UNKNOWN", "10-Mar"
    fresh = reads_of("b", unique_ids(1))
    receipts: dict[object, Receipt] = {}
    async with feed.stream(lambda receipt: receipts.update({receipt.tag: receipt})) as stream:
        await stream.send([*fresh, *first], tag="first")
        await stream.send(second, tag="second")
        await stream.send([second[1]], tag="third")
    assert warned(receipts["first"]) == [(2, "DUPLICATE_DIFFERS", "read_id")]
    assert warned(receipts["second"]) == [(4, "DUPLICATE_DIFFERS", "read_id")]
    assert warned(receipts["third"]) == []
    assert "new read_id" in receipts["first"].warnings[0].message
    assert [(each.accepted, each.duplicate) for each in receipts.values()] == [(1, 5), (0, 5), (0, 1)]
    found = await stored(store_process, force)
    assert {each.vrm for each in found.values()} == {"AB12CDE"}, "the first one is kept"
    for name in ("a", "b"):
        await health_of(ingest, force, name, lambda one: [each.count for each in one.warnings] == [1])


async def test_the_settings_of_a_force_hold_within_five_seconds(
    ingest: RunningIngest, store_process: StoreProcess, force: str
) -> None:
    feed = (await ingest.connect()).feed(await ingest.enrol(force, "gateway", "a"))
    settings = forces_pb2.ForceSettings(
        area=forces_pb2.Area(south=51.6, west=0.4, north=51.75, east=0.6),
        not_read_words=forces_pb2.WordList(words=["No Tag"]),
    )
    async with store_process.forces(force) as forces:
        await forces.change(force, settings, Purpose(justification="the test changes it"))

    async def seen() -> tuple[dict[int, str], list[tuple[int, str, str]]]:
        one, two, three = unique_ids(3)
        reads = [placed("a", one, FAR), *reads_of("a", [two, three])]
        reads[1].vrm, reads[2].vrm = "NOTAG", "UNKNOWN"
        receipt = await feed.submit(reads)
        return rejected(receipt), warned(receipt)

    wanted = ({1: "VRM_NOT_READ"}, [(0, "POSITION_DOUBTFUL", "position")])
    started = time.monotonic()
    while await seen() != wanted:
        assert time.monotonic() - started < 5
        await asyncio.sleep(0.05)
    async with store_process.forces(force) as forces:
        await forces.change(force, forces_pb2.ForceSettings(), Purpose(justification="and back"))
    started = time.monotonic()
    while await seen() != ({2: "VRM_NOT_READ"}, []):
        assert time.monotonic() - started < 5
        await asyncio.sleep(0.05)


async def test_times_and_numbers_at_their_extremes_are_the_callers_mistake(
    ingest: RunningIngest, force: str
) -> None:
    """Sent as bytes over the wire, alone and among good reads; nothing is INTERNAL."""
    feed = (await ingest.connect()).feed(await ingest.enrol(force, "gateway", "a"))
    extremes: Sequence[dict[str, Any]] = [
        {"captured_at": Timestamp(seconds=2**63 - 1, nanos=2**31 - 1)},
        {"captured_at": Timestamp(seconds=-(2**63), nanos=-(2**31))},
        {"captured_at": Timestamp(seconds=253_402_300_800)},
        {"position": Position(latitude=math.nan, longitude=math.nan)},
        {"position": Position(latitude=math.inf, longitude=-math.inf)},
        {"confidence": math.nan},
        {"confidence": -math.inf},
        {"heading": 2**32 - 1},
    ]
    for others in (0, 20):
        reads = reads_of("a", unique_ids(len(extremes) + others))
        for each, change in zip(reads, extremes, strict=False):
            for name, value in change.items():
                if name in {"captured_at", "position"}:
                    getattr(each, name).CopyFrom(value)
                else:
                    setattr(each, name, value)
        receipt = await feed.submit(reads)
        assert (receipt.accepted, len(receipt.rejections)) == (others, len(extremes))
        for each in reads[: len(extremes)]:
            assert len((await feed.submit([each])).rejections) == 1


async def test_a_picture_that_claims_too_much_is_left_out_and_named(
    ingest: RunningIngest, force: str
) -> None:
    feed = (await ingest.connect()).feed(await ingest.enrol(force, "gateway", "a"))
    reads = reads_of("a", unique_ids(3))
    reads[0].plate_patch, reads[1].overview = with_size(65_535, 65_535), picture() + b"PK\x03\x04"
    reads[2].plate_patch = picture()
    receipt = await feed.submit(reads)
    assert receipt.accepted == 3
    assert warned(receipt) == [(0, "IMAGE_INVALID", "plate_patch"), (1, "IMAGE_INVALID", "overview")]
    assert ["65535 x 65535" in receipt.warnings[0].message, "behind" in receipt.warnings[1].message] == [
        True,
        True,
    ]
