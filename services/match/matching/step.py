"""The step of a force's line: matches a part of the log; alerts and the cursor's move commit together.

A canary is matched against the canary's hotlist alone, and no other read is matched against that one. Alerts
of canaries go to a sequence of their own, and nothing counts them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from opentelemetry.context import Context

from chassis.joint_spans import JointSpans, spans_following
from chassis.metrics import counter, histogram
from chassis.tracing import context_of
from following.lease import Lease, Move
from following.log import Part
from following.step import Progress
from reads.appended import Appended
from reads.canary import canary_sequence
from reads.epoch import microseconds
from reads.read import read_at
from reads.traced import Traced
from services.match.alerts import events
from services.match.alerts.filtering import Happening
from services.match.clock import Clock
from services.match.index.live_index import LiveIndex
from services.match.index.segments import Index
from services.match.matching.candidates import Candidate, Hit, find_candidates, match
from services.match.matching.merging import Merged, merge_all
from services.match.matching.ports import Matching, NewAlert, Publisher, Raising
from services.match.names import MetricName, SpanName

_MOST_POSITIONS: Final = 100
_Positions: TypeAlias = list[int]
# By whether the match is near.
_KINDS: Final = {False: "exact", True: "near"}

_reads = counter(MetricName.MATCH_READS)
_alerts = counter(MetricName.MATCH_ALERTS)
_seconds = histogram(MetricName.MATCH_ALERT_SECONDS)


class CameraNames(Protocol):
    """The names of cameras; see `services.match.cameras.camera_names.CameraNames`."""

    def of(self, force: str, camera_id: str) -> str:
        """The name of a camera; empty when it is not known."""


@dataclass(frozen=True)
class Surroundings:
    """What the steps of all forces share. A read that is older than `late_seconds` makes a late alert."""

    publisher: Publisher
    cameras: CameraNames
    late_seconds: float
    clock: Clock


_Write = Callable[[Move, Sequence[NewAlert], datetime], Awaitable[list[int | None] | None]]


@dataclass(frozen=True, slots=True)
class _Raised:
    """The new alerts of a commit, with numbers; by position, the contexts to measure traced ones with."""

    new: Sequence[tuple[int, NewAlert]]
    at: datetime
    contexts: Mapping[int, Context | None]


class MatchingStep:
    """Matches reads against one index: a change of the hotlists ends the step and opens a new one."""

    def __init__(self, force: str, index: Index, raising: Raising, around: Surroundings) -> None:
        self._force = force
        self._labels = {"force": force}
        self._index = index
        self._raising = raising
        self._around = around

    async def run(self, part: Part[Appended], progress: Progress) -> None:
        """See `following.step.Step`."""
        traced = [each for item in part.items for each in item.traced]
        origins = [each.traceparent for each in traced]
        canaries = [item for item in part.items if item.canary]
        reads = [item for item in part.items if not item.canary] if canaries else part.items
        with spans_following(SpanName.MATCH_READS, origins, self._labels) as spans:
            if hits := await self._hits(self._index, reads):
                # The alerts that people wait for come first. Should the commit of the canaries fail, the line
                # starts again before them, and raises no alert a second time.
                position = canaries[0].first - 1 if canaries else part.position
                await self._raise(hits, position, progress, _alerts_in(traced, spans, hits))
            if canaries and (hits := await self._hits(self._index.of_canaries, canaries)):
                await self._raise_of_canaries(hits, part.position, progress, _alerts_in(traced, spans, hits))
        if reads:
            _reads.add(sum(item.count for item in reads), self._labels)

    async def _hits(self, index: Index, appends: Sequence[Appended]) -> Sequence[Hit]:
        candidates = find_candidates(index, appends)
        return match(candidates, await self._entries(index, candidates)) if candidates else ()

    async def _entries(self, index: Index, candidates: Sequence[Candidate]) -> Sequence[Merged]:
        keys = list({candidate.folded_key for candidate in candidates})
        now = self._around.clock()
        return merge_all(await self._raising.entries(index.loads, keys, now))

    async def _raise(
        self, hits: Sequence[Hit], position: int, progress: Progress, traced: Mapping[str, _Positions]
    ) -> None:
        raised = await self._commit(self._raising.raise_alerts, hits, position, progress, traced)
        self._publish(self._force, raised)
        self._count(raised)

    async def _raise_of_canaries(
        self, hits: Sequence[Hit], position: int, progress: Progress, traced: Mapping[str, _Positions]
    ) -> None:
        raised = await self._commit(self._raising.raise_canary_alerts, hits, position, progress, traced)
        self._publish(canary_sequence(self._force), raised)

    async def _commit(
        self,
        write: _Write,
        hits: Sequence[Hit],
        position: int,
        progress: Progress,
        traced: Mapping[str, _Positions],
    ) -> _Raised:
        raised_at = self._around.clock()
        alerts = [self._new(hit, raised_at) for hit in hits]
        with spans_following(
            SpanName.MATCH_ALERT, [*traced], self._labels, [*map(_attributes, traced.values())]
        ) as spans:
            numbers = await progress.commit(position, lambda move: write(move, alerts, raised_at))
            assert numbers is not None, "commit raises FencedError for a move that was refused"
            spans.set_attribute("alerts", len(numbers) - numbers.count(None))
        new = [(number, alert) for number, alert in zip(numbers, alerts, strict=True) if number is not None]
        return _Raised(new, raised_at, _contexts(traced, spans))

    def _new(self, hit: Hit, raised_at: datetime) -> NewAlert:
        seen = hit.candidate.identity
        age_us = microseconds(raised_at) - seen.captured_at_us
        name = self._around.cameras.of(self._force, seen.camera_id)
        return NewAlert(hit, name, age_us > self._around.late_seconds * 1e6)

    def _publish(self, sequence: str, raised: _Raised) -> None:
        if raised.new:
            happenings = [self._happening(number, alert, raised.at) for number, alert in raised.new]
            self._around.publisher.publish(sequence, happenings)

    def _count(self, raised: _Raised) -> None:
        now_us = microseconds(self._around.clock())
        for _, alert in raised.new:
            _alerts.add(1, {"force": self._force, "kind": _KINDS[alert.hit.near]})
            seen = alert.hit.candidate
            seconds = (now_us - seen.appended.received_at_us) / 1e6
            _seconds.record(seconds, context=raised.contexts.get(seen.position))

    def _happening(self, number: int, alert: NewAlert, raised_at: datetime) -> Happening:
        seen, entry = alert.hit.candidate, alert.hit.entry
        message = events.alert(
            number=number,
            read=read_at(self._force, seen.appended.columns, seen.index),
            position=seen.position,
            near=alert.hit.near,
            hotlist=entry.hotlist,
            entry_vrm=entry.vrm,
            reason=entry.reason,
            priority=entry.priority,
            markers=entry.markers,
            instruction=entry.instruction,
            raised_at=raised_at,
            entries=entry.entries,
            camera_name=alert.camera_name,
            late=alert.late,
        )
        return events.raised(number, message)


class MatchingSteps:
    """Opens the steps of all forces."""

    def __init__(
        self, matching: Matching, index_of: Callable[[str], LiveIndex], around: Surroundings
    ) -> None:
        self._matching = matching
        self._index_of = index_of
        self._around = around

    @asynccontextmanager
    async def open(self, lease: Lease) -> AsyncIterator[MatchingStep]:
        """See `following.step.OpenStep`: a step with the index as it is after the lease's epoch was given."""
        index = self._index_of(lease.force)
        # Alarms compare a counter with its past, and so it begins at 0.
        for kind in _KINDS.values():
            _alerts.add(0, {"force": lease.force, "kind": kind})
        try:
            async with self._matching.raising(lease.force) as raising:
                current = await index.refresh()
                await raising.warm_up(current.loads, self._around.clock())
                yield MatchingStep(lease.force, current, raising, self._around)
        finally:
            index.release()


def _alerts_in(traced: Sequence[Traced], spans: JointSpans, hits: Sequence[Hit]) -> Mapping[str, _Positions]:
    """By the span of each trace that has any: the positions of its hits."""
    if not spans.spans:
        return {}
    positions = list(dict.fromkeys(hit.candidate.position for hit in hits))
    found: dict[str, _Positions] = {}
    for each, span in zip(traced, spans.traceparents, strict=True):
        if span and (own := [position for position in positions if each.first <= position <= each.last]):
            found.setdefault(span, []).extend(own)
    return found


def _contexts(traced: Mapping[str, _Positions], spans: JointSpans) -> dict[int, Context | None]:
    """By position of a traced read, the context to measure its alerts with."""
    return {
        position: context_of(span)
        for positions, span in zip(traced.values(), spans.spans, strict=False)
        for position in positions
    }


def _attributes(positions: _Positions) -> Mapping[str, int | list[int]]:
    """The positions of a span's reads, so that a trace shows the alerts of its own read."""
    if len(positions) == 1:
        return {"position": positions[0]}
    return {"positions": positions} if len(positions) <= _MOST_POSITIONS else {}
