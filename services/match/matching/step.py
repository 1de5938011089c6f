"""The step of a force's line: matches a part of the log; alerts and the cursor's move commit together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final

from gantry.match.v1.alert_pb2 import AlertEvent

from chassis.telemetry import meter, span_following
from following.lease import Lease
from following.log import Part
from following.step import Progress
from reads.appended import Appended
from reads.epoch import microseconds
from reads.read import read_at
from services.match.alerts import events
from services.match.clock import Clock
from services.match.index.live_index import LiveIndex
from services.match.index.segments import Index
from services.match.matching.candidates import Candidate, Entry, NewAlert, find_candidates, match
from services.match.matching.ports import Matching, Publisher, Raising
from services.match.names import MetricName, SpanName

_MOST_POSITIONS: Final = 100

_reads = meter().create_counter(MetricName.MATCH_READS, "1", "Reads matched, by force")
_alerts = meter().create_counter(MetricName.MATCH_ALERTS, "1", "Alerts raised, by force")
_seconds = meter().create_histogram(
    MetricName.MATCH_ALERT_SECONDS, "s", "From the store's receipt of a read to its durable alert"
)


class MatchingStep:
    """Matches reads against one index: a change of the hotlists ends the step and opens a new one."""

    def __init__(
        self, force: str, index: Index, raising: Raising, publisher: Publisher, clock: Clock
    ) -> None:
        self._force = force
        self._labels = {"force": force}
        self._index = index
        self._raising = raising
        self._publisher = publisher
        self._clock = clock

    async def run(self, part: Part[Appended], progress: Progress) -> None:
        """See `following.step.Step`."""
        candidates = find_candidates(self._index, part.items)
        if candidates:
            alerts = match(candidates, await self._entries(candidates))
            if alerts:
                await self._raise(alerts, part.position, progress)
        if part.items:
            _reads.add(part.count, self._labels)

    async def _entries(self, candidates: Sequence[Candidate]) -> Sequence[Entry]:
        keys = list({candidate.folded_key for candidate in candidates})
        return await self._raising.entries(self._index.loads, keys, self._clock())

    async def _raise(self, alerts: Sequence[NewAlert], position: int, progress: Progress) -> None:
        raised_at = self._clock()
        traceparents = [alert.candidate.appended.traceparent for alert in alerts]
        with span_following(SpanName.MATCH_ALERT, traceparents, _positions(alerts)) as span:
            write = partial(self._raising.raise_alerts, alerts=alerts, raised_at=raised_at)
            numbers = await progress.commit(position, write)
            assert numbers is not None, "commit raises FencedError for a move that was refused"
            span.set_attribute("alerts", len(numbers) - numbers.count(None))
        self._publish(alerts, numbers, raised_at)

    def _publish(
        self, alerts: Sequence[NewAlert], numbers: Sequence[int | None], raised_at: datetime
    ) -> None:
        new = [(number, alert) for number, alert in zip(numbers, alerts, strict=True) if number is not None]
        if not new:
            return
        self._publisher.publish(
            self._force, [self._raised(number, alert, raised_at) for number, alert in new]
        )
        _alerts.add(len(new), self._labels)
        now_us = microseconds(self._clock())
        for _, alert in new:
            _seconds.record((now_us - alert.candidate.appended.received_at_us) / 1e6)

    def _raised(self, number: int, alert: NewAlert, raised_at: datetime) -> AlertEvent:
        seen, entry = alert.candidate, alert.entry
        message = events.alert(
            number=number,
            read=read_at(self._force, seen.appended.columns, seen.index),
            position=seen.position,
            near=alert.near,
            hotlist=entry.hotlist,
            entry_vrm=entry.vrm,
            reason=entry.reason,
            priority=entry.priority,
            markers=entry.markers,
            instruction=entry.instruction,
            raised_at=raised_at,
        )
        return events.raised(number, message)


class MatchingSteps:
    """Opens the steps of all forces."""

    def __init__(
        self,
        matching: Matching,
        index_of: Callable[[str], LiveIndex],
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._matching = matching
        self._index_of = index_of
        self._publisher = publisher
        self._clock = clock

    @asynccontextmanager
    async def open(self, lease: Lease) -> AsyncIterator[MatchingStep]:
        """See `following.step.OpenStep`: a step with the index as it is after the lease's epoch was given."""
        index = self._index_of(lease.force)
        try:
            async with self._matching.raising(lease.force) as raising:
                current = await index.refresh()
                await raising.warm_up(current.loads, self._clock())
                yield MatchingStep(lease.force, current, raising, self._publisher, self._clock)
        finally:
            index.release()


def _positions(alerts: Sequence[NewAlert]) -> Mapping[str, int | list[int]]:
    """The positions of a span's reads, so that a trace shows the alerts of its own read."""
    found = list(dict.fromkeys(alert.candidate.position for alert in alerts))
    if len(found) == 1:
        return {"position": found[0]}
    return {"positions": found} if len(found) <= _MOST_POSITIONS else {}
