"""Group commit: order, company, limits, and whom a failure hits."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns

from chassis.backoff import Backoff
from chassis.errors import Exhausted, Fault, NotFound, Unavailable
from reads.appended import Appended
from services.store.log import writer
from services.store.log.breaker import Breaker
from services.store.log.checked import CheckedReads
from services.store.log.commit import Commit, CommitResult
from services.store.log.ring import LogEntry, Ring
from services.store.log.writer import ForceWriter, Limits

NOW_US = 1_750_000_000_000_000


class MemoryLog:
    """Appends in memory; a gate holds commits back, and `refuse` fails those that hold a certain read."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.head = 0
        self.known: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuse: dict[str, Exception] = {}

    async def ping(self) -> None:
        if self.refuse:
            raise Unavailable("DATABASE_UNAVAILABLE", "away")

    async def probe(self, force: str) -> None:
        assert force == "essex"
        await self.ping()

    async def append(self, commit: Commit) -> CommitResult:
        await self.gate.wait()
        read_ids = [read_id for append in commit.appends for read_id in append.columns.read_ids]
        for read_id in read_ids:
            if read_id in self.refuse:
                raise self.refuse[read_id]
        self.commits.append(read_ids)
        before = self.head
        stored = []
        for position, read_id in enumerate(read_ids, before + 1):
            if read_id not in self.known:
                self.known.add(read_id)
                stored.append(position)
        self.head = max(stored, default=before)
        return CommitResult(before, self.head, None if len(stored) == len(read_ids) else stored)


class MemoryImages:
    """Objects in memory; a gate holds them back."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def discard(self, keys: Sequence[str]) -> None:
        for key in keys:
            del self.objects[key]

    async def put(self, key: str, content: bytes) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.objects[key] = content


class Writing:
    """A running writer and what it writes to. The breaker waits a second by a clock that tests move."""

    def __init__(self, **limits: int) -> None:
        self.log, self.images = MemoryLog(), MemoryImages()
        self.ring = Ring(1_000_000)
        self.seconds = 0.0
        usual = {"queue_reads": 100, "queue_bytes": 1_000_000, "commit_reads": 50}
        self.writer = ForceWriter(
            "essex",
            self.log,
            self.images,
            self.publish,
            lambda: NOW_US,
            Limits(**(usual | limits)),
            Breaker(Backoff(1.0, 1.0, random=lambda _, most: most), lambda: self.seconds),
        )

    def publish(self, result: CommitResult, entries: Sequence[LogEntry]) -> None:
        self.ring.add(result.head_before, entries)

    def submit(self, *read_ids: str, patches: Sequence[bytes] = (), canary: bool = False) -> asyncio.Task:
        columns = ReadColumns(read_ids=read_ids, captured_at_us=[NOW_US] * len(read_ids))
        reads = CheckedReads("essex", columns, len(read_ids), 100, patches, (), (), (0, 0), canary=canary)
        return asyncio.create_task(self.writer.submit(reads))

    def followed(self) -> list[tuple[list[str], list[int]]]:
        appends = [Appended(entry.body) for entry in self.ring.after(0, 1_000) or ()]
        return [(list(each.columns.read_ids), list(each.positions)) for each in appends]


@asynccontextmanager
async def writing(**limits: int) -> AsyncIterator[Writing]:
    subject = Writing(**limits)
    running = asyncio.create_task(subject.writer.run())
    async with asyncio.timeout(10):
        yield subject
    running.cancel()


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_appends_during_a_commit_are_committed_together_in_order() -> None:
    async with writing() as subject:
        subject.log.gate.clear()
        first = subject.submit("a")
        await settle()
        others = [subject.submit("b", "c"), subject.submit("d")]
        await settle()
        assert not first.done()
        subject.log.gate.set()
        answers = [await each for each in (first, *others)]
        assert subject.log.commits == [["a"], ["b", "c", "d"]]
        assert [answer.last_position for answer in answers] == [1, 3, 4]
        assert subject.followed() == [(["a"], [1]), (["b", "c"], [2, 3]), (["d"], [4])]


async def test_a_commit_takes_no_more_than_its_limit() -> None:
    async with writing(commit_reads=4) as subject:
        subject.log.gate.clear()
        subject.submit("0")
        await settle()
        tasks = [subject.submit(*f"{letter}{letter.upper()}x") for letter in "abc"]
        big = subject.submit(*"123456789")
        subject.log.gate.set()
        await asyncio.gather(*tasks, big)
        assert [len(commit) for commit in subject.log.commits] == [1, 3, 3, 3, 9]


class Told:
    """Stands for an instrument and remembers what it gets."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def add(self, value: float, *_: object) -> None:
        self.values.append(value)

    def record(self, value: float, **_: object) -> None:
        self.values.append(value)


async def test_a_canary_commits_alone_in_its_turn_and_is_counted_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = {name: Told() for name in ("_reads", "_duplicates", "_commit_reads", "_commit_seconds")}
    for name, instrument in told.items():
        monkeypatch.setattr(writer, name, instrument)
    async with writing() as subject:
        subject.log.gate.clear()
        subject.submit("0")
        await settle()
        tasks = [
            subject.submit("a", "b"),
            subject.submit("c"),
            subject.submit("canary", canary=True),
            subject.submit("canary", canary=True),
            subject.submit("d"),
            subject.submit("e", patches=[b"one"]),
        ]
        subject.log.gate.set()
        answers = [await each for each in tasks]
        assert subject.log.commits == [["0"], ["a", "b", "c"], ["canary"], ["canary"], ["d", "e"]]
        # The second one was appended before.
        assert [each.last_position for each in answers] == [3, 4, 5, 0, 6, 7]
        assert list(answers[3].duplicate_indexes) == [0]
        entries = subject.ring.after(0, 100) or ()
        assert [(each.last, each.reads, each.canary) for each in entries] == [
            (1, 1, False),
            (3, 2, False),
            (4, 1, False),
            (5, 0, True),
            (6, 1, False),
            (7, 1, False),
        ]
        assert [Appended(each.body).canary for each in entries] == [each.canary for each in entries]
    assert sum(told["_reads"].values) == 6
    assert told["_duplicates"].values == []
    assert told["_commit_reads"].values == [1, 3, 2]
    assert len(told["_commit_seconds"].values) == 3


async def test_each_batch_gets_the_count_of_its_own_duplicates() -> None:
    async with writing() as subject:
        subject.log.gate.clear()
        subject.submit("a")
        await settle()
        tasks = [subject.submit("b", "a", "c"), subject.submit("a", "b"), subject.submit("d", "d")]
        subject.log.gate.set()
        told = [await each for each in tasks]
        assert [list(each.duplicate_indexes) for each in told] == [[1], [0, 1], [1]]
        assert [each.last_position for each in told] == [4, 0, 7]
        assert subject.followed() == [(["a"], [1]), (["b", "c"], [2, 4]), (["d"], [7])]
        assert [entry.after for entry in subject.ring.after(0, 100) or ()] == [0, 1, 4]


async def test_a_full_queue_says_so_at_once() -> None:
    async with writing(queue_reads=3) as subject:
        subject.log.gate.clear()
        subject.submit("a")
        await settle()
        waiting = subject.submit("b", "c", "d")
        await settle()
        with pytest.raises(Exhausted) as refused:
            await subject.submit("e")
        assert refused.value.reason == "QUEUE_FULL"
        assert refused.value.retry_after
        subject.log.gate.set()
        await waiting
        await subject.submit("e")


async def test_an_append_larger_than_the_queue_is_taken_when_nothing_else_waits() -> None:
    async with writing(queue_reads=2, queue_bytes=10) as subject:
        assert (await subject.submit(*"abcdef")).last_position == 6


async def test_a_cancelled_caller_does_not_cancel_the_commit() -> None:
    async with writing() as subject:
        subject.log.gate.clear()
        task = subject.submit("a")
        await settle()
        task.cancel()
        subject.log.gate.set()
        await subject.submit("b")
        assert subject.followed() == [(["a"], [1]), (["b"], [2])]


async def test_a_fault_that_nobody_waits_for_any_more_is_no_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with writing() as rig:
        rig.log.gate.clear()
        rig.log.refuse["a"] = Unavailable("DATABASE_UNAVAILABLE", "away")
        gone = rig.submit("a")
        await settle()
        gone.cancel()
        await settle()
        rig.log.gate.set()
        await settle()
        assert rig.writer.trouble is not None
    gc.collect()
    assert caplog.records[1:] == [], "only that appends fail"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (asyncpg.ConnectionDoesNotExistError("gone"), "DATABASE_UNAVAILABLE"),
        (TimeoutError(), "DATABASE_UNAVAILABLE"),
        (asyncpg.LockNotAvailableError("busy"), "ROW_LOCKED"),
        (asyncpg.DiskFullError("full"), "STORAGE_FULL"),
    ],
)
async def test_while_the_database_is_unavailable_all_callers_get_the_fault_without_a_retry(
    failure: Exception, reason: str
) -> None:
    async with writing(commit_reads=2) as subject:
        subject.log.refuse["b"] = failure
        subject.log.gate.clear()
        subject.submit("0")
        await settle()
        # Two of them in the commit that fails, one behind it in the queue.
        tasks = [subject.submit("a"), subject.submit("b"), subject.submit("c")]
        await settle()
        subject.log.gate.set()
        faults = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(fault, Fault) and fault.reason for fault in faults] == [reason] * 3
        assert subject.log.commits == [["0"]]
        # The breaker is open.
        subject.log.refuse.clear()
        with pytest.raises(Fault) as refused:
            await subject.submit("d")
        assert (refused.value.reason, refused.value.retry_after) == (reason, 1.0)
        subject.seconds = 1.0
        await subject.submit("e")
        await subject.submit("f")


@pytest.mark.parametrize("steps", range(8))
async def test_an_append_that_arrives_while_a_commit_fails_does_not_end_the_writer(steps: int) -> None:
    async with writing() as subject:
        subject.log.refuse["a"] = TimeoutError()
        subject.log.gate.clear()
        tasks = [subject.submit("a")]
        await settle()
        subject.log.gate.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        tasks.append(subject.submit("b"))
        await asyncio.gather(*tasks, return_exceptions=True)
        subject.seconds = 1.0
        await subject.submit("c")
        assert subject.log.commits[-1] == ["c"]


async def test_the_breaker_closes_without_an_append(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_PROBE_SECONDS", 0.01)
    async with writing() as subject:
        closing = asyncio.create_task(subject.writer.close_breaker())
        subject.log.refuse["a"] = TimeoutError()
        with pytest.raises(Unavailable):
            await subject.submit("a")
        trouble = subject.writer.trouble
        assert trouble is not None
        assert trouble.fault.reason == "DATABASE_UNAVAILABLE"
        await asyncio.sleep(0.05)
        assert subject.writer.trouble == trouble
        subject.log.refuse.clear()
        await asyncio.sleep(0.2)
        assert subject.writer.trouble is None
        closing.cancel()


async def test_a_retired_force_is_no_reason_to_open_the_breaker() -> None:
    async with writing() as subject:
        subject.log.refuse["a"] = NotFound("FORCE_UNKNOWN", "retired")
        for _ in range(2):
            with pytest.raises(NotFound, match="FORCE_UNKNOWN"):
                await subject.submit("a")
        await subject.submit("b")


async def test_one_append_that_cannot_be_stored_costs_the_others_nothing() -> None:
    async with writing() as subject:
        subject.log.refuse["b"] = asyncpg.DataError("no")
        subject.log.gate.clear()
        subject.submit("0")
        await settle()
        tasks = [subject.submit("a"), subject.submit("b"), subject.submit("c")]
        subject.log.gate.set()
        one, two, three = await asyncio.gather(*tasks, return_exceptions=True)
        assert (one.last_position, three.last_position) == (2, 3)
        assert isinstance(two, asyncpg.DataError)


async def test_images_are_put_away_before_the_commit_and_while_another_commits() -> None:
    async with writing() as subject:
        subject.log.gate.clear()
        subject.images.gate.clear()
        subject.submit("0")
        await settle()
        task = subject.submit("a", "b", patches=[b"one", b""])
        await settle()
        subject.images.gate.set()
        await settle()
        # In its place while the first commit is still under way.
        assert [*subject.images.objects.values()] == [b"one"]
        subject.log.gate.set()
        await task
        assert subject.log.commits == [["0"], ["a", "b"]]


async def test_an_append_with_images_does_not_overtake_one_without() -> None:
    async with writing() as subject:
        subject.images.gate.clear()
        with_images = subject.submit("a", patches=[b"one"])
        await settle()
        without = subject.submit("b")
        await settle()
        assert subject.log.commits == []
        subject.images.gate.set()
        await asyncio.gather(with_images, without)
        assert subject.log.commits == [["a"], ["b"]]


async def test_without_its_images_a_read_is_not_stored() -> None:
    async with writing() as subject:
        subject.images.failure = Unavailable("IMAGES_UNAVAILABLE", "away", retry_after=1)
        with pytest.raises(Unavailable, match="IMAGES_UNAVAILABLE"):
            await subject.submit("a", patches=[b"one"])
        assert subject.log.commits == []
        await subject.submit("b")


async def test_while_the_database_is_unavailable_no_images_pile_up() -> None:
    async with writing() as subject:
        subject.log.refuse["a"] = asyncpg.ConnectionDoesNotExistError("gone")
        for _ in range(5):
            with pytest.raises(Fault, match="DATABASE_UNAVAILABLE"):
                await subject.submit("a", patches=[b"one"])
            subject.seconds += 0.5
        assert len(subject.images.objects) == 1
        subject.log.refuse.clear()
        await subject.submit("a", patches=[b"one"])
        assert len(subject.images.objects) == 2


async def test_images_of_reads_that_were_there_already_are_not_kept() -> None:
    async with writing() as subject:
        await subject.submit("a", "b", patches=[b"one", b"two"])
        (key,) = subject.images.objects
        await subject.submit("b", "a", patches=[b"two", b"one"])
        assert [*subject.images.objects] == [key]
        await subject.submit("b", "c", patches=[b"two", b"three"])
        assert len(subject.images.objects) == 2
