"""One stretch of a force's log, matched from its durable cursor with one index until something overtakes it.

Alerts commit together with the cursor, which moves only from the place, and for the generation of hotlists,
that they were matched with. So a matcher that was overtaken writes nothing, and whoever follows a dead one
repeats exactly what had not been written.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Final

from gantry.store.v1.store_pb2 import TailReadsResponse

from chassis.errors import Fault, Unavailable
from chassis.names import MetricName, SpanName
from chassis.telemetry import meter, span_following
from services.match.index import Index
from services.match.matching import Candidate, NewAlert, find_candidates, match
from services.match.ports import Clock, Matching, ReadLog
from services.match.postgres import Cursor, Move

IDLE_WRITE_SECONDS: Final = 0.2
REPORT_SECONDS: Final = 1.0
PURGED: Final = "POSITION_PURGED"

_reads = meter().create_counter(MetricName.MATCH_READS, "1", "Reads matched, by force")
_alerts = meter().create_counter(MetricName.MATCH_ALERTS, "1", "Alerts raised, by force and kind")
_lag = meter().create_gauge(MetricName.MATCH_LAG_READS, "1", "Positions stored but not matched, by force")
_seconds = meter().create_histogram(
    MetricName.MATCH_ALERT_SECONDS, "s", "From the store's receipt of a read to its durable alert"
)
_log = logging.getLogger(__name__)


class Matcher:
    """Matches the reads after `cursor`. Its three loops run together and end together."""

    def __init__(
        self, force: str, cursor: Cursor, index: Index, *, log: ReadLog, matching: Matching, clock: Clock
    ) -> None:
        self._force = force
        self._labels = {"force": force}
        self._durable = cursor
        self._seen = cursor.position
        self._head = cursor.position
        self._index = index
        self._log = log
        self._matching = matching
        self._clock = clock
        self._moved = asyncio.Event()
        self._writing = asyncio.Lock()

    async def match(self) -> None:
        """Match the log as it grows. Raises Fenced, and Fault when store or database are away."""
        try:
            await self._match_after(self._durable.position)
        except Fault as fault:
            if fault.reason != PURGED:
                raise
            # Nothing brings those reads back; the ones that are left must not wait for an engineer.
            lost = {"force": self._force, "position": self._durable.position, **fault.metadata}
            _log.error("reads were purged before they were matched", extra=lost)
            await self._match_after(None)

    async def write_idle(self) -> None:
        """Move the cursor over reads without alerts, a few times a second at most. Raises Fenced."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            async with self._writing:
                # Matching goes on during the write: what it sees meanwhile is not durable by it.
                seen = self._seen
                if seen > self._durable.position:
                    await self._matching.move(self._force, self._step(seen))
                    self._passed(seen)
            await asyncio.sleep(IDLE_WRITE_SECONDS)

    async def report(self) -> None:
        """Tell the store about the durable cursor, so that it can purge what lies before."""
        reported = -1
        while True:
            position = self._durable.position
            if position > reported:
                try:
                    await self._log.report(self._force, position)
                    reported = position
                except Fault as fault:
                    _log.warning("cursor not reported", extra={**self._labels, "reason": fault.reason})
            await asyncio.sleep(REPORT_SECONDS)

    async def _match_after(self, position: int | None) -> None:
        async with aclosing(self._log.follow(self._force, position)) as tail:
            async for response in tail:
                await self._take(response)
        raise Unavailable("TAIL_ENDED", "the store ended the tail; it is followed again from the cursor")

    async def _take(self, response: TailReadsResponse) -> None:
        self._head = max(self._head, response.head)
        candidates = find_candidates(self._index, response.batches)
        alerts = await self._compare(candidates) if candidates else []
        if alerts:
            await self._raise(alerts, response.position)
        elif response.position > self._seen:
            self._seen = response.position
            self._moved.set()
        if response.batches:
            _reads.add(sum(len(batch.positions) for batch in response.batches), self._labels)
            _lag.set(max(0, response.head - response.position), self._labels)

    async def _compare(self, candidates: list[Candidate]) -> list[NewAlert]:
        keys = list({candidate.folded_key for candidate in candidates})
        entries = await self._matching.entries(self._force, self._index.loads, keys, self._clock())
        return match(candidates, entries)

    async def _raise(self, alerts: list[NewAlert], position: int) -> None:
        batches = [alert.candidate.batch for alert in alerts]
        async with self._writing:
            with span_following(SpanName.MATCH_ALERT, [batch.traceparent for batch in batches]) as span:
                raised_at = self._clock()
                raised = await self._matching.raise_alerts(
                    self._force, self._step(position), alerts, raised_at
                )
                span.set_attribute("alerts", raised)
            self._seen = position
            self._passed(position)
        _alerts.add(raised, self._labels)
        now = self._clock().timestamp()
        for batch in batches:
            _seconds.record(now - batch.received_at_us / 1e6)

    def _step(self, position: int) -> Move:
        return Move(self._durable, position, max(self._head, position))

    def _passed(self, position: int) -> None:
        self._durable = Cursor(position, self._durable.generation)
