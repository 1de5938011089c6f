"""Retention is exact: not before, not later, with a certificate, whatever crashes in between."""

from __future__ import annotations

import asyncio
import hashlib
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1 import buffer_pb2, search_pb2

from chassis.errors import NotFound, OutOfRange, Unavailable
from services.store.days import US_A_DAY, date_of, start_of
from services.store.images.objects import ImageStore, ObjectNumbers, object_key, open_images
from services.store.retention.postgres import PostgresRetention
from services.store.retention.purging import Retention
from services.store.retention.records import PurgeTotals
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.following import collect
from tests.contract.store.reads import columns

HOUR_US = 3_600 * 1_000_000
CONSUMERS = ("match", "nas")
PURPOSE = Purpose(justification="a test of retention")


class Buffer:
    """A store whose retention runs when a test says so."""

    def __init__(self, store: RunningStore) -> None:
        self.store = store
        self.clock = store.clock
        self.images = open_images(f"file://{store.images}")
        self.records = PostgresRetention(store.database.rows, store.pool)
        # Noon, so that hours may be added and taken without changing the day.
        self.clock.ahead_us += US_A_DAY + US_A_DAY // 2 - self.clock() % US_A_DAY
        self.first_day = self.clock() // US_A_DAY
        self.sent: list[ReadColumns] = []

    async def append(self, size: int, *, days_ago: int = 0, force: str = "essex") -> ReadColumns:
        """Append reads with images, captured today or some days ago."""
        reads = columns(size, at_us=self.clock() - days_ago * US_A_DAY, images=True)
        await (await self.store.log("ingest")).append(force, reads)
        self.sent.append(reads)
        return reads

    async def delivered(self, *consumers: str, force: str = "essex", position: int | None = None) -> None:
        """Consumers have everything, or everything up to a position."""
        head = (await self.status(force)).head
        for consumer in consumers or CONSUMERS:
            owner = await self.store.log("match" if consumer == "match" else "nas_bridge")
            await owner.report_cursor(force, consumer, head if position is None else position)

    async def purge(self, records: PostgresRetention | None = None, images: ImageStore | None = None) -> None:
        """One run, as a process would do it that has just started."""
        await Retention(records or self.records, images or self.images, 7, self.clock).run_once()

    def to(self, days: int, us: int = 0) -> None:
        """Move the clock to a time of a day, counted from the first."""
        self.clock.ahead_us += (self.first_day + days) * US_A_DAY + us - self.clock()

    async def status(self, force: str = "essex") -> buffer_pb2.GetBufferStatusResponse:
        return await self.store.status(force)

    async def certificates(self, force: str = "essex") -> list[buffer_pb2.PurgeCertificate]:
        person = await self.store.buffer("ada", force)
        return [each async for each in person.purge_certificates(force, page_size=1)]

    def objects(self, force: str = "essex") -> list[Path]:
        return sorted(path for path in (self.store.images / force).rglob("*") if path.is_file())

    def day(self, offset: int = 0) -> str:
        return date_of(self.first_day + offset).isoformat()


@pytest.fixture
async def buffer(start_store: StartStore) -> Buffer:
    store = await start_store()
    await store.create("essex", "kent", consumers=["nas"])
    buffer = Buffer(store)
    # The store runs retention once when it starts, and next in a minute.
    ends_at = time.monotonic() + 10
    while not await _first_run_ended(store):
        assert time.monotonic() < ends_at, "the first run of retention did not end"
        await asyncio.sleep(0.01)
    return buffer


async def _first_run_ended(store: RunningStore) -> bool:
    turn = await store.pool.fetchrow(
        "select expires_at > '-infinity' as begun, expires_at <= present() as over from retention_turn"
    )
    return bool(turn["begun"] and turn["over"])


def digest(*batches: ReadColumns) -> bytes:
    identities = [
        f"{reads.camera_ids[camera]}\n{captured}\n{read_id}\n"
        for reads in batches
        for camera, captured, read_id in zip(
            reads.camera_indexes, reads.captured_at_us, reads.read_ids, strict=True
        )
    ]
    return hashlib.sha256("".join(identities).encode()).digest()


async def test_a_day_goes_seven_days_after_its_end_and_not_before(buffer: Buffer) -> None:
    first, second = await buffer.append(30), await buffer.append(5)
    buffer.to(1, HOUR_US)
    await buffer.append(4)
    await buffer.append(3, force="kent")
    await buffer.delivered()
    buffer.to(8, -HOUR_US // 60)
    await buffer.purge()
    assert await buffer.certificates() == []
    assert (await buffer.status()).oldest_day == buffer.day()
    buffer.to(8)
    await buffer.purge()
    (certificate,) = await buffer.certificates()
    assert (certificate.day, certificate.reads, certificate.image_objects) == (buffer.day(), 35, 2)
    assert certificate.digest == digest(first, second)
    status = await buffer.status()
    assert (status.oldest_day, status.reads_stored, status.head) == (buffer.day(1), 39, 39)
    assert [path.parent.name for path in buffer.objects()] == [buffer.day(1)]
    assert [path.parent.name for path in buffer.objects("kent")] == [buffer.day(1)]
    assert not (buffer.store.images / "essex" / buffer.day()).exists()
    person = await buffer.store.search("ada", "essex")
    with pytest.raises(NotFound):
        await person.read("essex", PURPOSE, position=1)
    assert (await person.read("essex", PURPOSE, position=36)).position == 36


async def test_a_day_waits_for_every_consumer_and_says_so(buffer: Buffer) -> None:
    await buffer.append(3)
    await buffer.append(3)
    await buffer.delivered("match")
    buffer.to(8, HOUR_US)
    await buffer.purge()
    assert (await buffer.status()).overdue_days == [buffer.day()]
    await buffer.delivered("nas", position=5)
    await buffer.purge()
    assert await buffer.certificates() == []
    await buffer.delivered("nas")
    bridge = await buffer.store.log("nas_bridge")
    await bridge.register_consumer("essex", "nadc")
    await buffer.delivered("nadc", position=4)
    await buffer.purge()
    assert (await buffer.status()).overdue_days == [buffer.day()]
    # A consumer that was retired no longer delays deletion.
    await bridge.retire_consumer("essex", "nadc")
    await buffer.purge()
    assert [each.reads for each in await buffer.certificates()] == [6]
    assert (await buffer.status()).overdue_days == []


async def test_a_consumer_that_is_registered_late_gets_all_that_is_left(buffer: Buffer) -> None:
    await buffer.append(2)
    buffer.to(1, HOUR_US)
    await buffer.append(3)
    await buffer.delivered()
    buffer.to(8)
    await buffer.purge()
    bridge = await buffer.store.log("nas_bridge")
    position = await bridge.register_consumer("essex", "nadc")
    assert position == 2
    appends = await collect(bridge, "essex", after=position, reads=3)
    assert sum(each.count for each in appends) == 3


async def test_one_force_does_not_wait_for_another(buffer: Buffer) -> None:
    for force in ("essex", "kent"):
        await buffer.append(2, force=force)
    await buffer.delivered()
    buffer.to(8)
    await buffer.purge()
    assert [each.reads for each in await buffer.certificates()] == [2]
    assert await buffer.certificates("kent") == []


async def test_a_late_read_stays_a_day_after_its_arrival(buffer: Buffer) -> None:
    today = await buffer.append(2)
    late = await buffer.append(4, days_ago=30)
    await buffer.delivered()
    assert (await buffer.status()).oldest_day == buffer.day(-30)
    buffer.to(1, 11 * HOUR_US)
    newer = await buffer.append(2, days_ago=20)
    await buffer.delivered()
    await buffer.purge()
    assert await buffer.certificates() == []
    buffer.to(1, 12 * HOUR_US + HOUR_US // 10)
    await buffer.purge()
    (certificate,) = await buffer.certificates()
    assert (certificate.day, certificate.reads, certificate.image_objects) == ("older", 4, 1)
    assert certificate.digest == digest(late)
    assert sorted(path.parent.name for path in buffer.objects()) == sorted(
        [buffer.day(), date_of(newer.captured_at_us[0] // US_A_DAY).isoformat()]
    )
    buffer.to(3)
    await buffer.purge()
    assert [each.digest for each in await buffer.certificates()] == [digest(newer), digest(late)]
    buffer.to(8)
    await buffer.purge()
    assert (await buffer.certificates())[0].digest == digest(today)
    assert buffer.objects() == []


async def test_a_late_read_waits_for_consumers_too(buffer: Buffer) -> None:
    await buffer.append(4, days_ago=30)
    await buffer.delivered("match")
    await buffer.delivered("nas", position=2)
    buffer.to(3)
    await buffer.purge()
    (certificate,) = await buffer.certificates()
    assert certificate.reads == 2
    await buffer.delivered("nas")
    await buffer.purge()
    assert [each.reads for each in await buffer.certificates()] == [2, 2]
    assert buffer.objects() == []


async def test_following_says_what_was_deleted_instead_of_skipping_it(buffer: Buffer) -> None:
    await buffer.append(5)
    buffer.to(1, HOUR_US)
    kept = await buffer.append(3)
    await buffer.delivered()
    buffer.to(8)
    match = await buffer.store.log("match")
    assert len(await collect(match, "essex", after=0, reads=8)) == 2
    await buffer.purge()
    for after in (0, 4):
        with pytest.raises(OutOfRange) as purged:
            await collect(match, "essex", after=after, reads=1)
        assert purged.value.reason == "POSITION_PURGED"
        assert purged.value.metadata == {"first_position": "6"}
    for start in (5, None):
        appends = await collect(match, "essex", after=start, reads=3)
        assert [each.columns.read_ids for each in appends] == [kept.read_ids]


async def test_a_follower_at_the_oldest_read_accepts_gaps_that_were_there(
    buffer: Buffer, start_store: StartStore
) -> None:
    """A late read lies between younger ones: its deletion leaves a gap between kept reads."""
    first = await buffer.append(2)
    await buffer.append(2, days_ago=9)
    last = await buffer.append(2)
    await buffer.delivered()
    buffer.to(2)
    await buffer.purge()
    fresh = await (await start_store()).log("nas_bridge")
    appends = await collect(fresh, "essex", after=None, reads=4)
    assert [list(each.columns.read_ids) for each in appends] == [list(first.read_ids), list(last.read_ids)]


async def test_appends_without_reads_are_deleted(buffer: Buffer) -> None:
    await buffer.append(2)
    await buffer.append(2, days_ago=9)
    buffer.to(1, HOUR_US)
    await buffer.append(2)
    await buffer.delivered()
    buffer.to(8, HOUR_US)
    await buffer.purge()
    assert await buffer.store.rows("select last_position from appends", "essex") == [6]


async def test_a_read_that_comes_while_its_day_is_purged_is_kept(buffer: Buffer) -> None:
    await buffer.append(3)
    await buffer.delivered()
    buffer.to(8, HOUR_US)
    late: list[ReadColumns] = []

    class Overtaken(PostgresRetention):
        async def drop_day(self, force: str, day: date, totals: PurgeTotals, now_us: int) -> bool:
            late.append(columns(2, at_us=start_of(day), images=True))
            await (await buffer.store.log("ingest")).append("essex", late[0])
            return await super().drop_day(force, day, totals, now_us)

    await buffer.purge(records=Overtaken(buffer.store.database.rows, buffer.store.pool))
    assert await buffer.certificates() == []
    person = await buffer.store.search("ada", "essex")
    assert (await person.read("essex", PURPOSE, position=4)).read.read_id == late[0].read_ids[0]
    await buffer.delivered()
    await buffer.purge()
    # Its images were put away a moment ago, so they could belong to a commit under way.
    buffer.clock.ahead_us += HOUR_US // 6
    await buffer.purge()
    assert [each.digest for each in await buffer.certificates()] == [digest(buffer.sent[0], late[0])]


async def test_a_late_read_of_a_purged_day_keeps_its_image(buffer: Buffer) -> None:
    await buffer.append(3)
    await buffer.delivered()
    buffer.to(8, HOUR_US)
    await buffer.purge()
    late = await buffer.append(2, days_ago=8)
    await buffer.delivered()
    await buffer.purge()
    buffer.clock.ahead_us += 2 * HOUR_US
    await buffer.purge()
    person = await buffer.store.search("ada", "essex")
    position, patch = next((4 + n, patch) for n, patch in enumerate(late.plate_patches) if patch)
    assert await person.image("essex", position, search_pb2.IMAGE_KIND_PLATE_PATCH, PURPOSE) == patch
    assert len(buffer.objects()) == 1


async def test_images_of_a_commit_under_way_stay_and_those_of_a_lost_one_go(buffer: Buffer) -> None:
    await buffer.append(1)
    await buffer.delivered()
    buffer.to(8, HOUR_US)
    number = ObjectNumbers().next(buffer.clock())
    await buffer.images.put(object_key("essex", date_of(buffer.first_day), number), b"not committed yet")
    await buffer.purge()
    assert len(buffer.objects()) == 1
    # The purge is not finished as long as anything of its day is left.
    assert await buffer.certificates() == []
    buffer.clock.ahead_us += HOUR_US // 6
    await buffer.purge()
    assert buffer.objects() == []
    assert len(await buffer.certificates()) == 1


class Crash(BaseException):
    """The process has died."""


def crashing(owner: object, method: str, *, after: bool) -> None:
    """Let one method of an object crash, before or after it has done its work."""
    real = getattr(owner, method)

    async def crash(*arguments: object) -> None:
        if after:
            await real(*arguments)
        raise Crash

    setattr(owner, method, crash)


CRASHES = [
    ("records", "drop_day", True),
    ("records", "delete_older", True),
    ("images", "delete", False),
    ("images", "delete", True),
    ("images", "forget_day", True),
    ("records", "finish", True),
    ("records", "forget_appends", False),
]


@pytest.mark.parametrize(("owner", "method", "after"), CRASHES)
async def test_the_next_run_finishes_work_after_a_crash(
    buffer: Buffer, owner: str, method: str, after: bool
) -> None:
    today, late = await buffer.append(4), await buffer.append(4, days_ago=12)
    buffer.to(1)
    await buffer.append(2)
    await buffer.delivered()
    buffer.to(8)
    records = PostgresRetention(buffer.store.database.rows, buffer.store.pool)
    images = open_images(f"file://{buffer.store.images}")
    crashing({"records": records, "images": images}[owner], method, after=after)
    with pytest.raises(Crash):
        await buffer.purge(records, images)
    await buffer.purge()
    certificates = {each.day: each for each in await buffer.certificates()}
    assert len(certificates) == len(await buffer.certificates()) == 2
    assert (certificates[buffer.day()].reads, certificates[buffer.day()].digest) == (4, digest(today))
    assert (certificates["older"].reads, certificates["older"].digest) == (4, digest(late))
    assert all(each.image_objects == 1 for each in certificates.values())
    assert [path.parent.name for path in buffer.objects()] == [buffer.day(1)]
    match = await buffer.store.log("match")
    assert len(await collect(match, "essex", after=None, reads=2)) == 1


async def test_while_images_cannot_be_deleted_the_purge_is_not_finished(buffer: Buffer) -> None:
    await buffer.append(2)
    await buffer.delivered()
    buffer.to(8)
    images = open_images(f"file://{buffer.store.images}")

    async def away(*_: object) -> None:
        raise Unavailable("IMAGES_UNAVAILABLE", "the bucket is away")

    images.delete = away
    with pytest.raises(Unavailable):
        await buffer.purge(images=images)
    assert await buffer.certificates() == []
    await buffer.purge()
    assert len(await buffer.certificates()) == 1


async def test_of_two_replicas_one_purges(buffer: Buffer) -> None:
    await buffer.append(2)
    await buffer.delivered()
    buffer.to(8)
    async with buffer.records.leading() as leading:
        assert leading
        await buffer.purge()
        assert await buffer.certificates() == []
    await buffer.purge()
    assert len(await buffer.certificates()) == 1


async def test_a_replica_that_is_frozen_while_it_purges_loses_its_turn_by_the_clock(buffer: Buffer) -> None:
    async with buffer.records.leading() as leading:
        assert leading
        await buffer.store.pool.execute(
            "update retention_turn set expires_at = present() - interval '1 second'"
        )
        async with buffer.records.leading() as other:
            assert other
        async with buffer.records.leading() as again:
            assert again


async def test_a_turn_that_began_before_the_clock_went_back_is_over(buffer: Buffer) -> None:
    async with buffer.records.leading() as leading:
        assert leading
        for ahead, taken in (("50 seconds", False), ("70 seconds", True)):
            await buffer.store.pool.execute(
                "update retention_turn set owner = 'other', expires_at = present() + $1::text::interval",
                ahead,
            )
            async with buffer.records.leading() as again:
                assert again is taken


async def test_a_long_run_keeps_its_turn(buffer: Buffer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.store.retention.postgres._TURN", timedelta(seconds=0.5))
    monkeypatch.setattr("services.store.retention.postgres._RENEW_SECONDS", 0.05)
    async with buffer.records.leading() as leading:
        assert leading
        for _ in range(10):
            await asyncio.sleep(0.1)
            async with buffer.records.leading() as other:
                assert not other
    async with buffer.records.leading() as leading:
        assert leading


async def test_a_day_without_reads_goes_without_a_certificate(buffer: Buffer) -> None:
    partitions = buffer.store.database.partitions
    await partitions.make_for("essex", {})
    await partitions.make_ahead((date_of(buffer.first_day),))
    await buffer.delivered(position=0)
    assert (await buffer.status()).oldest_day == buffer.day()
    buffer.to(8)
    await buffer.purge()
    assert await buffer.certificates() == []
    # The upkeep of the running store may have made the present day already.
    assert (await buffer.status()).oldest_day in ("", buffer.day(8))
