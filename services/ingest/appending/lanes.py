"""Group commit: the batches of many streams go to the store in few large appends.

A force has a few lanes. A feed always uses the same lane, and a lane has one append under way. So the log
keeps the order in which a feed delivered, also when an append is tried again, and several appends of a force
can share a commit of the store.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc
from gantry.store.v1.log_pb2 import AppendReadsResponse
from opentelemetry.trace import use_span

from chassis.errors import Fault
from chassis.metrics import counter, histogram
from chassis.tracing import UNSAMPLED, context_of
from chassis.turns import Turns
from services.ingest.appending.appender import Appender
from services.ingest.appending.availability import STORAGE_FULL, STORE_UNAVAILABLE, StoreAvailability
from services.ingest.appending.batch import PendingBatch
from services.ingest.appending.memory import Memory, MemoryShare
from services.ingest.appending.pace import Pace
from services.ingest.appending.remarks import count_remarks, share_differing
from services.ingest.appending.request import EncodedAppend, append_of, share_duplicates
from services.ingest.appending.tracing import traced_reads
from services.ingest.cameras.counts import UnwrittenCounts
from services.ingest.cameras.feeds import token_unknown
from services.ingest.names import MetricName

_MANY_BATCHES: Final = 8
"""After an append of this many batches the lane waits a little, so that the next one has as many."""
_WAIT_SECONDS_A_BATCH: Final = 0.001
_MOST_WAIT_SECONDS: Final = 0.05
# A small message costs as much as so many bytes of a large one.
_MESSAGE_COST: Final = 4096

_log = logging.getLogger(__name__)
_reads = counter(MetricName.INGEST_READS)
_batches = counter(MetricName.INGEST_BATCHES)
_ack_seconds = histogram(MetricName.INGEST_ACK_SECONDS)


@dataclass(frozen=True, slots=True)
class AppendLimits:
    """Limits of each force. A single batch may exceed `reads` and `cost`."""

    reads: int
    """Most reads in one append."""
    cost: int
    """Most bytes in one append."""
    lanes: int
    patience: float
    """Seconds for which an append is tried."""
    paced_bytes: int = 0
    """Most bytes a second of large messages of one force while others send too. 0: no limit."""


class Appends:
    """The appends of all forces, each force by itself."""

    def __init__(  # noqa: PLR0917
        self,
        appender: Appender,
        limits: AppendLimits,
        memory: Memory,
        counts: UnwrittenCounts,
        own: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        turns: Turns,
    ) -> None:
        self._appender = appender
        self._limits = limits
        self._memory = memory
        self._counts = counts
        self._own = own
        self._turns = turns
        self._pace = Pace(limits.paced_bytes)
        self._forces: dict[str, ForceAppends] = {}

    @property
    def queued_reads(self) -> int:
        """Reads that wait for an append."""
        return sum(lane.queued_reads for force in self._forces.values() for lane in force.lanes)

    @property
    def failing_seconds(self) -> Mapping[str, float]:
        """For how long the appends of each force have failed; 0 for those that succeed."""
        return {force: appends.availability.failing_seconds for force, appends in tuple(self._forces.items())}

    def of(self, force: str) -> ForceAppends:
        """The appends of one force."""
        appends = self._forces.get(force)
        if appends is None:
            appends = self._forces[force] = self._begin(force)
        return appends

    def _begin(self, force: str) -> ForceAppends:
        availability = StoreAvailability(self._limits.patience, refused=partial(_count, force, "refused"))
        memory = self._memory.of(force)
        lanes = [
            Lane(
                force,
                appender=self._appender,
                limits=self._limits,
                availability=availability,
                memory=memory,
                counts=self._counts,
                turns=self._turns,
            )
            for _ in range(self._limits.lanes)
        ]
        for number, lane in enumerate(lanes):
            # A fresh context: the lane lives longer than the first call, and must not keep its deadline and
            # trace.
            Context().run(self._own, lane.run(), f"lane {force} {number}")
        return ForceAppends(force, lanes, availability, memory, self._turns, self._pace)


@dataclass(frozen=True, slots=True)
class ForceAppends:
    """The lanes, the circuit breaker, the share of memory, the turns and the pace of one force.

    `counted`: whether refusals count as those of a vendor's batch.
    """

    force: str
    lanes: Sequence[Lane]
    availability: StoreAvailability
    memory: MemoryShare
    turns: Turns
    pace: Pace
    counted: bool = True

    def check(self) -> None:
        """Raise Unavailable STORE_UNAVAILABLE or Exhausted STORAGE_FULL while reads cannot be stored."""
        self.availability.check(counted=self.counted)

    def try_turn(self, size: int) -> bool:
        """Whether a message of `size` bytes may be parsed and checked at once, without waiting for a turn."""
        return self.turns.try_take(self.force, _MESSAGE_COST + size)

    async def turn(self, feed: bytes, size: int) -> None:
        """Wait until it is the feed's turn to have a message of `size` bytes parsed and checked."""
        await self.turns.take(self.force, feed, _MESSAGE_COST + size)

    def refused(self) -> None:
        """Count a batch that was refused for want of room."""
        if self.counted:
            _count(self.force, "refused")

    def put(self, batch: PendingBatch) -> None:
        """Queue a batch. One without kept reads is settled at once."""
        if batch.kept:
            self.memory.take(batch.cost)
            self.lanes[batch.feed.number % len(self.lanes)].put(batch)
        else:
            _count(self.force, "acknowledged", _counted([batch]))
            batch.end_span()
            batch.submitter.settled(batch)


class Lane:
    """A queue of batches of one force, and the loop that appends them."""

    def __init__(
        self,
        force: str,
        *,
        appender: Appender,
        limits: AppendLimits,
        availability: StoreAvailability,
        memory: MemoryShare,
        counts: UnwrittenCounts,
        turns: Turns,
    ) -> None:
        self._force = force
        self._turns = turns
        self._appender = appender
        self._limits = limits
        self._availability = availability
        self._memory = memory
        self._counts = counts
        self._queue: deque[PendingBatch] = deque()
        self._filled = asyncio.Event()
        self.queued_reads = 0
        self._last_batches = 0
        self._accepted = {"force": force, "outcome": "accepted"}
        self._duplicate = {"force": force, "outcome": "duplicate"}

    def put(self, batch: PendingBatch) -> None:
        """Queue a batch."""
        self._queue.append(batch)
        self.queued_reads += batch.kept
        self._filled.set()

    async def run(self) -> None:
        """Append queued batches, one append after the other, without end."""
        while True:
            await self._filled.wait()
            if self._last_batches >= _MANY_BATCHES and self.queued_reads < self._limits.reads // 4:
                # An append costs all services together as much as some twenty reads. With many streams it is
                # cheaper to wait for more batches, and their latency then comes from the processor's queue in
                # any case.
                await asyncio.sleep(min(self._last_batches * _WAIT_SECONDS_A_BATCH, _MOST_WAIT_SECONDS))
            batches = self._take()
            self._last_batches = len(batches)
            await self._append(batches)

    def _take(self) -> list[PendingBatch]:
        """Take the oldest batches that fit into one append; at least one. A canary is taken alone."""
        batches: list[PendingBatch] = []
        reads = cost = 0
        while self._queue:
            batch = self._queue[0]
            reads += batch.kept
            cost += batch.cost
            if batches and (reads > self._limits.reads or cost > self._limits.cost):
                break
            if batches and (batch.canary or batches[0].canary):
                break
            batches.append(self._queue.popleft())
            self.queued_reads -= batch.kept
        if not self._queue:
            self._filled.clear()
        return batches

    async def _append(self, batches: Sequence[PendingBatch]) -> None:
        if any(batch.submitter.broken for batch in batches):
            batches = self._without_broken(batches)
            if not batches:
                return
        try:
            await self._turns.take(self._force, self, sum([batch.cost for batch in batches]))
            append = append_of(self._force, batches)
            traced = traced_reads(batches)
            response = await self._appender.append(self._force, append.request, traced, self._availability)
        except Fault as fault:
            await self._give_up(batches, fault)
        except Exception as error:  # noqa: BLE001 - no vendor's bytes may end the process
            # Its text might quote a read, so only its type is logged.
            await self._give_up(
                batches, Fault(grpc.StatusCode.INTERNAL, type(error).__name__, "cannot append")
            )
        else:
            self._settle(append, batches, response)

    async def _give_up(self, batches: Sequence[PendingBatch], fault: Fault) -> None:
        if fault.reason in {STORE_UNAVAILABLE, STORAGE_FULL}:
            # Batches queued meanwhile would only wait as long again.
            self._fail([*batches, *self._take_all()], fault)
        elif fault.reason == "FORCE_UNKNOWN":
            _log.error("the store does not take reads of a force", extra={"force": self._force})
            self._fail([*batches, *self._take_all()], token_unknown())
        elif len(batches) == 1:
            with use_span(batches[0].span, end_on_exit=False):
                _log.error("a batch cannot be stored", extra={"force": self._force, "cause": fault.reason})
            self._fail(batches, Fault(grpc.StatusCode.INTERNAL, "INTERNAL", "this batch cannot be stored"))
        else:
            # One vendor's batch must not fail the batches of others. Appending each batch alone finds it.
            for batch in batches:
                await self._append([batch])

    def _without_broken(self, batches: Sequence[PendingBatch]) -> Sequence[PendingBatch]:
        """Drop batches that follow a failed one of their stream, since the failed one will be sent again."""
        dropped = [batch for batch in batches if batch.submitter.broken]
        self._memory.release(sum([batch.cost for batch in dropped]))
        for batch in dropped:
            batch.end_span()
        return [batch for batch in batches if not batch.submitter.broken]

    def _take_all(self) -> list[PendingBatch]:
        queued, self.queued_reads = list(self._queue), 0
        self._queue.clear()
        self._filled.clear()
        return queued

    def _fail(self, batches: Sequence[PendingBatch], fault: Fault) -> None:
        self._memory.release(sum([batch.cost for batch in batches]))
        if fault.status is not grpc.StatusCode.UNAUTHENTICATED:
            _count(self._force, "failed", _counted(batches))
        for batch in batches:
            batch.end_span()
            batch.submitter.failed(batch, fault)

    def _settle(
        self, append: EncodedAppend, batches: Sequence[PendingBatch], response: AppendReadsResponse
    ) -> None:
        duplicates = list(response.duplicate_indexes)
        share_duplicates(batches, duplicates)
        share_differing(batches, response.differing_indexes)
        if _counted(batches):
            self._count_reads(append, batches, duplicates)
        self._memory.release(sum([batch.cost for batch in batches]))
        for batch in batches:
            batch.end_span()
            batch.submitter.settled(batch)

    def _count_reads(
        self, append: EncodedAppend, batches: Sequence[PendingBatch], duplicates: Sequence[int]
    ) -> None:
        now_us = time.time_ns() // 1000
        self._counts.appended(self._force, append.camera_ids, append.captured_at_us, duplicates, now_us)
        count_remarks(self._force, batches, append.camera_ids, self._counts)
        self._measure(len(append.camera_ids), len(duplicates), batches)
        _count(self._force, "acknowledged", len(batches))

    def _measure(self, reads: int, duplicates: int, batches: Sequence[PendingBatch]) -> None:
        _reads.add(reads - duplicates, self._accepted)
        if duplicates:
            _reads.add(duplicates, self._duplicate)
        traced = next((batch.span for batch in batches if batch.span.is_recording()), UNSAMPLED)
        _ack_seconds.record(time.monotonic() - batches[0].received_at, context=context_of(traced))


def _count(force: str, outcome: str, batches: int = 1) -> None:
    if batches:
        _batches.add(batches, {"force": force, "outcome": outcome})


def _counted(batches: Sequence[PendingBatch]) -> int:
    """How many of them are not canaries."""
    return sum([not batch.canary for batch in batches])
