"""Group commit: one transaction for all queued appends of a force, in the order of their arrival.

A canary has a transaction of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from chassis.database_faults import database_fault, database_unavailable
from chassis.errors import Exhausted, Fault
from chassis.joint_spans import spans_following
from chassis.metrics import counter, histogram
from chassis.transient import is_transient
from services.store.images.objects import ObjectNumbers, object_key
from services.store.images.packing import ImagePacker
from services.store.log.breaker import Breaker
from services.store.log.checked import CheckedReads
from services.store.log.commit import AppendResult, Commit, CommitResult, results_of
from services.store.log.ring import LogEntry
from services.store.names import MetricName, SpanName
from services.store.trouble import Trouble

_QUEUE_RETRY_SECONDS: Final = 0.5
_PROBE_SECONDS: Final = 2.0
_COMMIT_BYTES: Final = 32 * 1024 * 1024

_log = logging.getLogger(__name__)
_reads = counter(MetricName.READS)
_duplicates = counter(MetricName.DUPLICATES)
_commit_seconds = histogram(MetricName.COMMIT_SECONDS)
_commit_reads = histogram(MetricName.COMMIT_READS)
_image_bytes = counter(MetricName.IMAGE_BYTES)

Published = Callable[[CommitResult, Sequence[LogEntry]], None]
"""Receives the result of each commit and the new entries of the log."""


class AppendLog(Protocol):
    """Where reads become durable."""

    async def append(self, commit: Commit) -> CommitResult:
        """Append all reads of a commit in one transaction."""

    async def ping(self) -> None:
        """Raise when nothing can be appended now."""

    async def probe(self, force: str) -> None:
        """Raise when an append of the force would fail now."""


class ObjectWriter(Protocol):
    """Where images become durable."""

    async def put(self, key: str, content: bytes) -> None:
        """Keep an object; it is durable on return."""

    async def discard(self, keys: Sequence[str]) -> None:
        """Delete objects that no read refers to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most reads and bytes of a force that may wait, and most reads in one transaction."""

    queue_reads: int
    queue_bytes: int
    commit_reads: int


@dataclass(slots=True, eq=False)
class _Pending:
    reads: CheckedReads
    answer: asyncio.Future[AppendResult]


class ForceWriter:
    """Appends the reads of one force. `run` has to run; `submit` returns when the reads are durable."""

    def __init__(  # noqa: PLR0917
        self,
        force: str,
        log: AppendLog,
        images: ObjectWriter,
        published: Published,
        now_us: Callable[[], int],
        limits: Limits,
        breaker: Breaker | None = None,
    ) -> None:
        self._force = force
        self._log = log
        self._images = images
        self._published = published
        self._now_us = now_us
        self._limits = limits
        self._breaker = breaker or Breaker()
        self._numbers = ObjectNumbers()
        self._queue: deque[_Pending] = deque()
        self._queued_reads = 0
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._opened = asyncio.Event()

    @property
    def trouble(self) -> Trouble | None:
        """Why appends fail at present, and since when."""
        return self._breaker.trouble

    @property
    def queue_share(self) -> float:
        """What waits for its commit, as a share of the limit of reads or of bytes, whichever is larger."""
        return max(
            self._queued_reads / self._limits.queue_reads, self._queued_bytes / self._limits.queue_bytes
        )

    async def submit(self, reads: CheckedReads) -> AppendResult:
        """Queue reads and wait for their commit.

        Raises at once Exhausted QUEUE_FULL, or the fault of the last commit while the breaker is open. Raises
        later the fault of its own commit.
        """
        if refusal := self._breaker.refusal():
            raise refusal
        self._require_room(reads)
        pending = _Pending(reads, asyncio.get_running_loop().create_future())
        self._queue.append(pending)
        self._queued_reads += reads.count
        self._queued_bytes += reads.size
        self._arrived.set()
        # A caller that is cancelled must not cancel the commit that it shares with others.
        return await asyncio.shield(pending.answer)

    async def run(self) -> None:
        """Commit queued appends, without end. While one group commits, the images of the next are stored."""
        committing: asyncio.Task[None] | None = None
        try:
            while True:
                # A commit that fails takes the queue with it, also between an arrival and its notice here.
                while not self._queue:
                    await self._arrived.wait()
                if committing is not None and not self._queue[0].reads.has_images:
                    # Nothing to prepare, so more appends can gather.
                    await committing
                    committing = None
                    if not self._queue:
                        # The commit failed, and the queue with it.
                        continue
                work = await self._prepared(self._take())
                if committing is not None:
                    await committing
                committing = asyncio.create_task(self._commit(work), name="commit") if work else None
        finally:
            if committing is not None:
                committing.cancel()

    async def close_breaker(self) -> None:
        """Close the breaker when appends would succeed again, also while nobody appends. Without end."""
        while True:
            await self._opened.wait()
            await asyncio.sleep(_PROBE_SECONDS)
            if not self._breaker.is_closed and await self._would_succeed():
                self._close_breaker()
            if self._breaker.is_closed:
                self._opened.clear()

    async def _would_succeed(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._log.probe(self._force)
        except Exception as error:
            if isinstance(error, TimeoutError) or _fault(error) is not None:
                return False
            raise
        return True

    def _require_room(self, reads: CheckedReads) -> None:
        # An append larger than the queue is taken when nothing else waits.
        if self._queue and (
            self._queued_reads + reads.count > self._limits.queue_reads
            or self._queued_bytes + reads.size > self._limits.queue_bytes
        ):
            raise Exhausted(
                "QUEUE_FULL",
                "more reads arrive than can be stored; slow down",
                retry_after=_QUEUE_RETRY_SECONDS,
            )

    def _take(self) -> list[_Pending]:
        taken: list[_Pending] = []
        reads = size = 0
        while self._queue:
            first = self._queue[0].reads
            if taken and (
                reads + first.count > self._limits.commit_reads
                or size + first.size > _COMMIT_BYTES
                or first.canary
                or taken[-1].reads.canary
            ):
                break
            reads += first.count
            size += first.size
            taken.append(self._queue.popleft())
        self._queued_reads -= reads
        self._queued_bytes -= size
        if not self._queue:
            self._arrived.clear()
        return taken

    async def _prepared(self, pending: Sequence[_Pending]) -> _Work | None:
        """The work of one commit, with its images durable.

        None when they are not: the callers got the error.
        """
        received_at_us = self._now_us()
        work = _Work(Commit(self._force, received_at_us), self._numbers.next(received_at_us))
        for each in pending:
            work.add(each)
        try:
            if objects := work.objects():
                await self._put(objects, work.traceparents())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            _fail(pending, error)
            return None
        return work

    async def _put(self, objects: Mapping[str, bytes], traceparents: Sequence[str]) -> None:
        if not self._breaker.is_closed:
            # Otherwise callers that retry would fill the object store with unused images.
            await self._log.ping()
        with spans_following(SpanName.IMAGES, traceparents):
            await asyncio.gather(*(self._images.put(key, content) for key, content in objects.items()))
        _image_bytes.add(sum(map(len, objects.values())))

    async def _commit(self, work: _Work) -> None:
        started = time.perf_counter()
        if refusal := self._breaker.refusal():
            _fail(work.pending, refusal)
            return
        try:
            with spans_following(SpanName.COMMIT, work.traceparents()) as spans:
                await self._append(work)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            await self._failed(work, error)
            return
        self._close_breaker()
        if work.commit.canary is None:
            _commit_seconds.record(time.perf_counter() - started, context=spans.context)
            _commit_reads.record(sum(each.reads.count for each in work.pending))

    async def _append(self, work: _Work) -> None:
        appending = asyncio.create_task(self._log.append(work.commit))
        # Yield once, so that the database works while the entries are serialised.
        await asyncio.sleep(0)
        for append in work.commit.appends:
            append.serialised()
        result = await appending
        results, entries = results_of(work.commit, result)
        # Followers come first: an alert is more urgent than an acknowledgement.
        self._published(result, entries)
        for each, answer in zip(work.pending, results, strict=True):
            _answer(each, answer)
        if not entries and (unused := work.keys()):
            await self._discard(unused)

    async def _failed(self, work: _Work, error: Exception) -> None:
        fault = _fault(error)
        if fault is not None and is_transient(fault):
            self._open_breaker(fault)
            _fail([*work.pending, *self._queue], fault)
            self._empty_queue()
        elif fault is not None or len(work.pending) == 1:
            _fail(work.pending, fault or error)
        else:
            _log.error("a commit failed; its appends are tried one by one", exc_info=error)
            for each in work.split():
                await self._commit(each)

    def _empty_queue(self) -> None:
        self._queue.clear()
        self._queued_reads = self._queued_bytes = 0
        self._arrived.clear()

    def _open_breaker(self, fault: Fault) -> None:
        if self._breaker.is_closed:
            _log.warning("appends fail", extra={"force": self._force, "cause": fault.reason})
        self._breaker.failed(fault)
        self._opened.set()

    def _close_breaker(self) -> None:
        if not self._breaker.is_closed:
            _log.info("appends succeed again", extra={"force": self._force})
        self._breaker.succeeded()

    async def _discard(self, keys: Sequence[str]) -> None:
        try:
            await self._images.discard(keys)
        except Fault as fault:
            _log.warning(
                "images of resent reads stay until their day is deleted", extra={"reason": fault.reason}
            )


@dataclass(slots=True, eq=False)
class _Work:
    """A commit, the requests that wait for it, and its images, in objects that share one number."""

    commit: Commit
    number: int
    pending: list[_Pending] = field(default_factory=list)
    packer: ImagePacker = field(default_factory=ImagePacker)

    def add(self, pending: _Pending) -> None:
        reads = pending.reads
        self.pending.append(pending)
        self.commit.appends.append(reads)
        self.commit.image_objects.append(self.number if reads.has_images else 0)
        self.commit.image_refs.append(
            self.packer.add(reads.columns.captured_at_us, reads.patches, reads.overviews)
        )

    def traceparents(self) -> list[str]:
        return [traced.traceparent for each in self.pending for traced in each.reads.traced]

    def keys(self) -> list[str]:
        """The keys of the objects."""
        return [object_key(self.commit.force, day, self.number) for day in self.packer.days()]

    def objects(self) -> dict[str, bytes]:
        """The objects to store, by key."""
        return dict(zip(self.keys(), self.packer.contents(), strict=True))

    def split(self) -> list[_Work]:
        """The same, each append by itself. The images are durable already."""
        commit = self.commit
        split = zip(self.pending, commit.appends, commit.image_objects, commit.image_refs, strict=True)
        return [
            _Work(
                Commit(commit.force, commit.received_at_us, [append], [number], [refs]),
                self.number,
                [pending],
            )
            for pending, append, number, refs in split
        ]


def _answer(pending: _Pending, result: AppendResult) -> None:
    if not pending.reads.canary:
        duplicates = len(result.duplicate_indexes)
        labels = {"force": pending.reads.force}
        _reads.add(pending.reads.count - duplicates, labels)
        if duplicates:
            _duplicates.add(duplicates, labels)
    if not pending.answer.done():
        pending.answer.set_result(result)


def _fail(pending: Iterable[_Pending], error: Exception) -> None:
    for each in pending:
        if not each.answer.done():
            each.answer.set_exception(_fault(error) or error)
            # Retrieved, so that asyncio does not log it as an error when the caller has gone meanwhile.
            each.answer.exception()


def _fault(error: Exception) -> Fault | None:
    """The fault that callers get for an error; None for a bug."""
    if isinstance(error, Fault):
        return error
    return database_fault(error) or (database_unavailable() if is_transient(error) else None)
