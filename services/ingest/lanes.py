"""Group commit: what many streams delivered goes to the store in few large appends.

A force has a few lanes; a feed always uses the same one, and a lane has one append under way. So the log
keeps the order in which a feed delivered, whatever is retried, while several appends share a commit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

import grpc
from gantry.store.v1.store_pb2 import AppendReadsResponse

from chassis.errors import Fault
from chassis.names import MetricName
from chassis.telemetry import meter
from services.ingest.appender import Appender
from services.ingest.appends import Append, append_of, share_duplicates
from services.ingest.batch import Batch
from services.ingest.budget import Budget
from services.ingest.tallies import Tallies

_CROWD: Final = 8
"""From so many batches in an append on, the next one waits for company."""
_GATHER_SECONDS_A_BATCH: Final = 0.001
_MOST_GATHER_SECONDS: Final = 0.05

_log = logging.getLogger(__name__)
_reads = meter().create_counter(MetricName.INGEST_READS, "1", "Reads made durable, by force and outcome")
_ack_seconds = meter().create_histogram(
    MetricName.INGEST_ACK_SECONDS, "s", "From a batch's arrival to its acknowledgement, oldest of each append"
)


@dataclass(frozen=True, slots=True)
class AppendLimits:
    """Most reads and bytes in one append, of which a single batch may be more; lanes a force."""

    reads: int
    cost: int
    lanes: int


class Lanes:
    """Takes batches of any force; tells each owner when its batch is durable or has failed."""

    def __init__(
        self,
        appender: Appender,
        limits: AppendLimits,
        budget: Budget,
        tallies: Tallies,
        own: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
    ) -> None:
        self._appender = appender
        self._limits = limits
        self._budget = budget
        self._tallies = tallies
        self._own = own
        self._lanes: dict[tuple[str, int], _Lane] = {}

    @property
    def queued_reads(self) -> int:
        """Reads waiting for an append."""
        return sum(lane.queued_reads for lane in self._lanes.values())

    def put(self, batch: Batch) -> None:
        """Queue a batch with at least one read."""
        self._budget.take(batch.cost)
        feed = batch.feed
        key = feed.force, feed.shard % self._limits.lanes
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(
                feed.force, self._appender, self._limits, self._budget, self._tallies
            )
            # In a context of its own: it outlives the call that brings it, with its deadline and trace.
            Context().run(self._own, lane.run(), f"lane {feed.force} {key[1]}")
        lane.put(batch)


class _Lane:
    def __init__(
        self, force: str, appender: Appender, limits: AppendLimits, budget: Budget, tallies: Tallies
    ) -> None:
        self._force = force
        self._appender = appender
        self._limits = limits
        self._budget = budget
        self._tallies = tallies
        self._queue: deque[Batch] = deque()
        self._filled = asyncio.Event()
        self.queued_reads = 0
        self._company = 0
        self._accepted = {"force": force, "outcome": "accepted"}
        self._duplicate = {"force": force, "outcome": "duplicate"}

    def put(self, batch: Batch) -> None:
        self._queue.append(batch)
        self.queued_reads += batch.kept
        self._filled.set()

    async def run(self) -> None:
        """Append what has queued, one append after another, for ever."""
        while True:
            await self._filled.wait()
            if self._company >= _CROWD and self.queued_reads < self._limits.reads // 4:
                # Each append costs the whole chain as much as some twenty reads: many streams share one, and
                # the more there are, the more their reads wait for the processor and not for this.
                await asyncio.sleep(min(self._company * _GATHER_SECONDS_A_BATCH, _MOST_GATHER_SECONDS))
            batches = self._take()
            self._company = len(batches)
            await self._commit(batches)

    def _take(self) -> list[Batch]:
        """The oldest batches that fit one append; at least one."""
        batches: list[Batch] = []
        reads = cost = 0
        while self._queue:
            batch = self._queue[0]
            reads += batch.kept
            cost += batch.cost
            if batches and (reads > self._limits.reads or cost > self._limits.cost):
                break
            batches.append(self._queue.popleft())
            self.queued_reads -= batch.kept
        if not self._queue:
            self._filled.clear()
        return batches

    async def _commit(self, batches: Sequence[Batch]) -> None:
        try:
            append = append_of(self._force, batches)
            traceparents = [batch.traceparent for batch in batches]
            response = await self._appender.append(self._force, append.payload, traceparents)
        except Fault as fault:
            await self._give_up(batches, fault)
        except Exception as error:  # noqa: BLE001 - no vendor's bytes may end the process
            # Its text might quote a read, so only its kind is told.
            await self._give_up(
                batches, Fault(grpc.StatusCode.INTERNAL, type(error).__name__, "cannot append")
            )
        else:
            self._settle(append, batches, response)

    async def _give_up(self, batches: Sequence[Batch], fault: Fault) -> None:
        if fault.reason == "STORE_UNAVAILABLE":
            # What has queued meanwhile would only wait as long again.
            queued, self.queued_reads = list(self._queue), 0
            self._queue.clear()
            self._filled.clear()
            self._fail([*batches, *queued], fault)
        elif len(batches) == 1:
            _log.error("a batch cannot be stored", extra={"force": self._force, "cause": fault.reason})
            self._fail(batches, Fault(grpc.StatusCode.INTERNAL, "INTERNAL", "this batch cannot be stored"))
        else:
            # One vendor's poison must not fail the others: find whose it is.
            for batch in batches:
                await self._commit([batch])

    def _fail(self, batches: Sequence[Batch], fault: Fault) -> None:
        self._budget.release(sum([batch.cost for batch in batches]))
        for batch in batches:
            batch.end_span()
            batch.owner.failed(batch, fault)

    def _settle(self, append: Append, batches: Sequence[Batch], response: AppendReadsResponse) -> None:
        duplicates = list(response.duplicate_indexes)
        share_duplicates(batches, duplicates)
        now_us = time.time_ns() // 1000
        self._tallies.appended(self._force, append.camera_ids, append.captured_at_us, duplicates, now_us)
        self._budget.release(sum([batch.cost for batch in batches]))
        self._measure(len(append.camera_ids), len(duplicates), batches[0].received_at)
        for batch in batches:
            batch.end_span()
            batch.owner.settled(batch)

    def _measure(self, reads: int, duplicates: int, oldest: float) -> None:
        _reads.add(reads - duplicates, self._accepted)
        if duplicates:
            _reads.add(duplicates, self._duplicate)
        _ack_seconds.record(time.monotonic() - oldest)
