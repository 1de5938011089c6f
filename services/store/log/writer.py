"""Group commit: whatever has queued becomes one transaction, in the order in which it came."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import asyncpg

from chassis.database_faults import database_fault, database_unavailable
from chassis.errors import Exhausted, Fault
from services.store.names import MetricName, SpanName
from chassis.telemetry import meter, span_following
from services.store.images.objects import ObjectNumbers, object_key
from services.store.images.packing import ImagePacker
from services.store.log.columns import Append
from services.store.log.forces import tell_position
from services.store.log.group import Appended, ForceGroup, Outcome, settled
from services.store.log.ring import Ring

_QUEUE_RETRY_SECONDS: Final = 0.5
_COMMIT_BYTES: Final = 32 * 1024 * 1024

# What another try may well not meet again, although the database answers.
_PASSING: Final = (
    TimeoutError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
)

_log = logging.getLogger(__name__)
_reads = meter().create_counter(MetricName.STORE_READS, "1", "Reads stored")
_duplicates = meter().create_counter(MetricName.STORE_DUPLICATES, "1", "Reads that were stored already")
_commit_seconds = meter().create_histogram(MetricName.STORE_COMMIT_SECONDS, "s", "Time of a group commit")
_commit_reads = meter().create_histogram(MetricName.STORE_COMMIT_READS, "1", "Reads in a group commit")
_image_bytes = meter().create_counter(MetricName.STORE_IMAGE_BYTES, "By", "Bytes of images stored")


class AppendLog(Protocol):
    """Where reads become durable."""

    async def append(self, groups: Sequence[ForceGroup]) -> Sequence[Outcome]:
        """Commit all groups in one transaction, an outcome each."""

    async def ping(self) -> None:
        """Raise when nothing can be appended now."""


class ObjectWriter(Protocol):
    """Where images become durable."""

    async def put(self, key: str, content: bytes) -> None:
        """Keep an object; it is durable on return."""

    async def discard(self, keys: Sequence[str]) -> None:
        """Delete objects that nothing refers to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most reads and bytes that may wait, and most reads in one transaction."""

    queue_reads: int
    queue_bytes: int
    commit_reads: int


@dataclass(slots=True, eq=False)
class _Waiting:
    append: Append
    weight: int
    answer: asyncio.Future[Appended]


class GroupWriter:
    """The one who appends. `run` has to run; `submit` returns when the reads are durable."""

    def __init__(
        self,
        log: AppendLog,
        images: ObjectWriter,
        ring_of: Callable[[str], Ring],
        now_us: Callable[[], int],
        limits: Limits,
    ) -> None:
        self._log = log
        self._images = images
        self._ring_of = ring_of
        self._now_us = now_us
        self._numbers = ObjectNumbers()
        self._limits = limits
        self._queue: deque[_Waiting] = deque()
        self._queued_reads = 0
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._in_trouble = False

    async def submit(self, append: Append, weight: int) -> Appended:
        """Queue an append of `weight` bytes and wait for its commit.

        Raises Exhausted QUEUE_FULL at once, or what kept the commit from happening.
        """
        if self._queued_reads + append.count > max(
            self._limits.queue_reads, append.count
        ) or self._queued_bytes + weight > max(self._limits.queue_bytes, weight):
            raise Exhausted(
                "QUEUE_FULL",
                "more reads arrive than can be stored; slow down",
                retry_after=_QUEUE_RETRY_SECONDS,
            )
        waiting = _Waiting(append, weight, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._queued_reads += append.count
        self._queued_bytes += weight
        self._arrived.set()
        # A caller that gives up must not take back what is being committed with others.
        return await asyncio.shield(waiting.answer)

    async def run(self) -> None:
        """Commit what is queued, for ever. While one group commits, the images of the next are put away."""
        committing: asyncio.Task[None] | None = None
        try:
            while True:
                await self._arrived.wait()
                if committing is not None and not self._queue[0].append.has_images:
                    # Nothing to prepare, so let more gather.
                    await committing
                work = await self._prepared(self._take())
                if committing is not None:
                    await committing
                committing = asyncio.create_task(self._commit(work), name="commit") if work else None
        finally:
            if committing is not None:
                committing.cancel()

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        reads = weight = 0
        while self._queue and (
            not taken
            or (
                reads + self._queue[0].append.count <= self._limits.commit_reads
                and weight + self._queue[0].weight <= _COMMIT_BYTES
            )
        ):
            waiting = self._queue.popleft()
            reads += waiting.append.count
            weight += waiting.weight
            taken.append(waiting)
        self._queued_reads -= reads
        self._queued_bytes -= weight
        if not self._queue:
            self._arrived.clear()
        return taken

    async def _prepared(self, waiting: Sequence[_Waiting]) -> list[_Work] | None:
        """The work by force, its images durable; None when they could not be and all have that answer."""
        received_at_us = self._now_us()
        work = list(_by_force(waiting, self._numbers.next(received_at_us), received_at_us).values())
        objects = {key: content for each in work for key, content in each.objects().items()}
        try:
            if objects:
                await self._put(objects, [each.append.traceparent for each in waiting])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            _fail(waiting, error)
            return None
        return work

    async def _put(self, objects: Mapping[str, bytes], traceparents: Sequence[str]) -> None:
        if self._in_trouble:
            # Or callers who try again and again would fill the image store with what nothing refers to.
            await self._log.ping()
        with span_following(SpanName.STORE_IMAGES, traceparents):
            await asyncio.gather(*(self._images.put(key, content) for key, content in objects.items()))
        _image_bytes.add(sum(map(len, objects.values())))

    async def _commit(self, work: Sequence[_Work]) -> None:
        started = time.perf_counter()
        waiting = [each for part in work for each in part.waiting]
        try:
            with span_following(SpanName.STORE_COMMIT, [each.append.traceparent for each in waiting]):
                await self._append(work)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            self._in_trouble = True
            if len(waiting) == 1 or may_pass(error):
                _fail(waiting, error)
                return
            _log.error("a commit failed; its appends are tried one by one", exc_info=error)
            for part in work:
                for each in part.split():
                    await self._commit([each])
            return
        self._in_trouble = False
        _commit_seconds.record(time.perf_counter() - started)
        _commit_reads.record(sum(each.append.count for each in waiting))

    async def _append(self, work: Sequence[_Work]) -> None:
        appending = asyncio.create_task(self._log.append([part.group for part in work]))
        # Once round the loop, so that the database works while the form for the ring is made.
        await asyncio.sleep(0)
        serialised = [[append.columns.SerializeToString() for append in part.group.appends] for part in work]
        for part, bodies, outcome in zip(work, serialised, await appending, strict=True):
            appended, batches = settled(part.group, bodies, outcome)
            # First the followers: an alert is more urgent than an ack.
            self._ring_of(part.group.force).publish(outcome.head_before, batches)
            tell_position(part.group.force, outcome.head)
            for each, answer in zip(part.waiting, appended, strict=True):
                _answer(each, answer)
            if not batches and (unused := part.keys()):
                await self._discard(unused)

    async def _discard(self, keys: Sequence[str]) -> None:
        try:
            await self._images.discard(keys)
        except Fault as fault:
            _log.warning("images of resent reads stay until their day goes", extra={"reason": fault.reason})


@dataclass(slots=True, eq=False)
class _Work:
    """A force's part of a commit, with those who wait for it and the images to put away first."""

    group: ForceGroup
    number: int
    waiting: list[_Waiting] = field(default_factory=list)
    packer: ImagePacker = field(default_factory=ImagePacker)

    def add(self, waiting: _Waiting) -> None:
        append = waiting.append
        self.waiting.append(waiting)
        self.group.appends.append(append)
        self.group.image_objects.append(self.number if append.has_images else 0)
        self.group.image_refs.append(self.packer.add(append))

    def keys(self) -> list[str]:
        """The names of the objects."""
        return [object_key(self.group.force, day, self.number) for day in self.packer.days()]

    def objects(self) -> dict[str, bytes]:
        """The objects to put away."""
        return dict(zip(self.keys(), self.packer.contents(), strict=True))

    def split(self) -> list[_Work]:
        """The same, each append by itself; the images are where they are."""
        group = self.group
        parts = zip(self.waiting, group.appends, group.image_objects, group.image_refs, strict=True)
        return [
            _Work(
                ForceGroup(group.force, group.received_at_us, [append], [number], [refs]), number, [waiting]
            )
            for waiting, append, number, refs in parts
        ]


def _by_force(waiting: Sequence[_Waiting], number: int, received_at_us: int) -> dict[str, _Work]:
    work: dict[str, _Work] = {}
    for each in waiting:
        force = each.append.force
        work.setdefault(force, _Work(ForceGroup(force, received_at_us), number)).add(each)
    return work


def _answer(waiting: _Waiting, appended: Appended) -> None:
    duplicates = len(appended.duplicate_indexes)
    labels = {"force": waiting.append.force}
    _reads.add(waiting.append.count - duplicates, labels)
    if duplicates:
        _duplicates.add(duplicates, labels)
    if not waiting.answer.done():
        waiting.answer.set_result(appended)


def _fail(waiting: Sequence[_Waiting], error: Exception) -> None:
    for each in waiting:
        if not each.answer.done():
            each.answer.set_exception(_fault(error) or error)


def _fault(error: Exception) -> Fault | None:
    if isinstance(error, _PASSING):
        return database_unavailable()
    return error if isinstance(error, Fault) else database_fault(error)


def may_pass(error: Exception) -> bool:
    """Whether something is away or busy for now, and what was to be done is not to blame."""
    return _fault(error) is not None
