"""One stretch of a force's log, matched from its durable cursor with one index until something overtakes it.

Alerts commit together with the cursor, which moves only from the place, and for the generation of hotlists,
that they were matched with. So a matcher that was overtaken writes nothing, and whoever follows a dead one
repeats exactly what had not been written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final

from gantry.store.v1.store_pb2 import TailReadsResponse

from chassis.errors import Fault, Unavailable
from chassis.names import MetricName, SpanName
from chassis.telemetry import meter, span_following
from services.match.events import raised
from services.match.gathering import gathered
from services.match.index import Index
from services.match.matching import Candidate, NewAlert, find_candidates, match
from services.match.ports import Announcer, Clock, Raising, ReadLog
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
_MOST_POSITIONS: Final = 100
_log = logging.getLogger(__name__)


class Matcher:
    """Matches the reads after `cursor`. Its loops run together and end together."""

    def __init__(
        self,
        force: str,
        cursor: Cursor,
        index: Index,
        *,
        log: ReadLog,
        raising: Raising,
        feed: Announcer,
        clock: Clock,
    ) -> None:
        self._force = force
        self._labels = {"force": force}
        self._durable = cursor
        self._seen = cursor.position
        self._head = cursor.position
        self._index = index
        self._log = log
        self._raising = raising
        self._feed = feed
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

    async def warm(self) -> None:
        """Be ready for the first alert; meanwhile the log is opened."""
        async with self._writing:
            await self._raising.warm(self._durable, self._index.loads, self._clock())

    async def write_idle(self) -> None:
        """Move the cursor over reads without alerts, a few times a second at most. Raises Fenced."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            async with self._writing:
                # Matching goes on during the write: what it sees meanwhile is not durable by it.
                seen = self._seen
                if seen > self._durable.position:
                    await self._raising.move(self._step(seen))
                    self._passed(seen)
            await asyncio.sleep(IDLE_WRITE_SECONDS)

    async def report(self) -> None:
        """Tell the store about the durable cursor, so that it can purge what lies before."""
        reported = -1
        while True:
            position = self._durable.position
            # A move over reads without alerts is on disk only now.
            await asyncio.sleep(REPORT_SECONDS)
            if position > reported:
                try:
                    await self._log.report(self._force, position)
                    reported = position
                except Fault as fault:
                    _log.warning("cursor not reported", extra={**self._labels, "reason": fault.reason})

    async def _match_after(self, position: int | None) -> None:
        async with aclosing(gathered(self._log.follow(self._force, position))) as tail:
            async for responses in tail:
                await self._take(responses)
        raise Unavailable("TAIL_ENDED", "the store ended the tail; it is followed again from the cursor")

    async def _take(self, responses: Sequence[TailReadsResponse]) -> None:
        batches = [batch for response in responses for batch in response.batches]
        position = responses[-1].position
        self._head = max(self._head, responses[-1].head)
        candidates = find_candidates(self._index, batches)
        if not (candidates and await self._raise(candidates, position)):
            self._pass(position)
        if batches:
            _reads.add(sum(len(batch.positions) for batch in batches), self._labels)
            _lag.set(max(0, self._head - position), self._labels)

    def _pass(self, position: int) -> None:
        if position > self._seen:
            self._seen = position
            self._moved.set()

    async def _raise(self, candidates: list[Candidate], position: int) -> bool:
        """Raise the alerts of the candidates and move the cursor; False when there were none to raise."""
        keys = list({candidate.folded_key for candidate in candidates})
        async with self._writing:
            entries = await self._raising.entries(self._index.loads, keys, self._clock())
            alerts = match(candidates, entries)
            if alerts:
                await self._commit(alerts, position)
        return bool(alerts)

    async def _commit(self, alerts: list[NewAlert], position: int) -> None:
        batches = [alert.candidate.batch for alert in alerts]
        with span_following(
            SpanName.MATCH_ALERT, [batch.traceparent for batch in batches], _positions(alerts)
        ) as span:
            raised_at = self._clock()
            numbers = await self._raising.raise_alerts(self._step(position), alerts, raised_at)
            span.set_attribute("alerts", len(numbers) - numbers.count(None))
        self._seen = position
        self._passed(position)
        self._announce(alerts, numbers, raised_at)

    def _announce(self, alerts: list[NewAlert], numbers: list[int | None], raised_at: datetime) -> None:
        fresh = [(number, alert) for number, alert in zip(numbers, alerts, strict=True) if number is not None]
        if not fresh:
            return
        self._feed.offer([raised(self._force, number, alert, raised_at) for number, alert in fresh])
        _alerts.add(len(fresh), self._labels)
        now = self._clock().timestamp()
        for _, alert in fresh:
            _seconds.record(now - alert.candidate.batch.received_at_us / 1e6)

    def _step(self, position: int) -> Move:
        return Move(self._durable, position, max(self._head, position))

    def _passed(self, position: int) -> None:
        self._durable = Cursor(position, self._durable.generation)


def _positions(alerts: list[NewAlert]) -> Mapping[str, int | list[int]]:
    """Which reads a span is about, so that a trace shows the alerts of its own read."""
    found = list(dict.fromkeys(alert.candidate.position for alert in alerts))
    if len(found) == 1:
        return {"position": found[0]}
    return {"positions": found} if len(found) <= _MOST_POSITIONS else {}
