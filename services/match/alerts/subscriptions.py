"""Sends the events of alerts to subscribers as they happen.

The newest events of each force that has subscribers stay in memory, read from the database once for all of
them. A subscriber that is behind this cache reads pages from the database at its own pace, so that no queue
grows for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from gantry.match.v1.alert_pb2 import AlertEvent

from chassis.errors import Unavailable
from chassis.loops import repeat
from chassis.metrics import up_down
from services.match.alerts.filtering import ALL, Happening, Wanted
from services.match.alerts.ports import PAGE, EventPage, EventSource
from services.match.names import MetricName

KEPT_EVENTS: Final = 2_000
POLL_SECONDS: Final = 1.0
PROGRESS_SECONDS: Final = 10.0

_subscribers = up_down(MetricName.MATCH_SUBSCRIBERS)


@dataclass(frozen=True, slots=True)
class Update:
    """The next events for a subscriber. Without events: all events up to `number` were sent."""

    events: Sequence[AlertEvent]
    number: int


class Announcer(Protocol):
    """Notifies all replicas of events; see `services.match.notices`."""

    def tell_events(self, force: str, number: int) -> None:
        """Notify that the events up to `number` are durable."""


class _Recent:
    """The newest events of one force: every event in (`after`, `tip`]; none while `tip` is None."""

    def __init__(self, force: str) -> None:
        self.force = force
        self.after = 0
        self.tip: int | None = None
        self.events: deque[Happening] = deque(maxlen=KEPT_EVENTS)
        self.subscribers = 0
        self.is_stale = True
        self.is_outdated = False
        self.grown = asyncio.Event()

    def take(self, page: EventPage) -> None:
        """Add events that follow `tip`. Events that were added before are left out."""
        tip = self.tip or 0
        self.events.extend(each for each in page.events if each.event.number > tip)
        self.tip = max(tip, page.number)
        if self.events:
            self.after = max(self.after, self.events[0].event.number - 1)
        if self.tip > tip:
            self.tell()

    def drop_if_outdated(self) -> None:
        """Drop the events if the database has deleted some; subscribers read from the database meanwhile."""
        if self.is_outdated:
            self.is_outdated = False
            self.tip = None
            self.events.clear()

    def tell(self) -> None:
        """Wake the subscribers."""
        self.grown.set()
        self.grown = asyncio.Event()


class Subscriptions:
    """The subscriptions of this replica. `run` has to be running."""

    def __init__(self, source: EventSource, announcer: Announcer) -> None:
        self._source = source
        self._announcer = announcer
        self._recent: dict[str, _Recent] = {}
        self._stale = asyncio.Event()
        self._polled_at = 0.0
        self._closed = False

    def heard(self, force: str, number: int) -> None:
        """Take the notice of a replica: events up to `number` are durable."""
        recent = self._recent.get(force)
        if recent is not None and (recent.tip is None or number > recent.tip):
            self._read_soon(recent)

    def publish(self, force: str, events: Sequence[Happening]) -> None:
        """Send durable events, with consecutive numbers, to the subscribers of all replicas."""
        first, last = events[0].event.number, events[-1].event.number
        self._announcer.tell_events(force, last)
        recent = self._recent.get(force)
        if recent is None:
            return
        if recent.tip is not None and first <= recent.tip + 1:
            recent.take(EventPage(events, last))
        else:
            self._read_soon(recent)

    def forget(self, force: str) -> None:
        """Drop a force's events from memory, because the database has deleted some. Subscriptions go on."""
        recent = self._recent.get(force)
        if recent is not None:
            # `_advance` drops the events, because a read may be under way now.
            recent.is_outdated = True
            self._read_soon(recent)

    def close(self) -> None:
        """End all subscriptions: the server is stopping."""
        self._closed = True
        for recent in self._recent.values():
            recent.tell()

    async def run(self) -> None:
        """Read new events after a notice, and once a second in case a notice was lost."""
        await repeat(self._read_new, name="alert events", every=POLL_SECONDS, wake=self._stale)

    async def follow(
        self, force: str, after: int, wanted: Wanted = ALL, *, of_a_person: bool = True
    ) -> AsyncGenerator[Update, None]:
        """The wanted events after a number, then new ones without end. `force` may be a `canary_sequence`.

        Every 10 seconds comes an update without events. The metric counts subscribers that are people.

        Raises Unavailable STOPPING after `close`.
        """
        number, progress_at = after, 0.0
        with self._subscribed(force, of_a_person=of_a_person) as recent:
            while not self._closed:
                page = await self._next(recent, number)
                moved, number = page.number > number, page.number
                events = [each.event for each in page.events if wanted.has(each.subject)]
                now = time.monotonic()
                if events:
                    yield Update(events, number)
                elif moved:
                    # All were left out. There may be more.
                    await asyncio.sleep(0)
                elif now >= progress_at:
                    progress_at = now + PROGRESS_SECONDS
                    yield Update((), number)
                else:
                    await _grown(recent, number, progress_at - now)
        raise Unavailable("STOPPING", "the server is stopping; subscribe again", retry_after=1.0)

    async def _next(self, recent: _Recent, number: int) -> EventPage:
        if recent.tip is None or number < recent.after:
            page = await self._source.page(recent.force, number)
            return EventPage(page.events, max(number, page.number))
        if number >= recent.tip:
            return EventPage((), number)
        return EventPage([each for each in recent.events if each.event.number > number], recent.tip)

    async def _read_new(self) -> None:
        now = time.monotonic()
        # A little less: otherwise a timer that fires early would skip every other poll.
        is_poll = now - self._polled_at > POLL_SECONDS * 0.9
        if is_poll:
            self._polled_at = now
        async with asyncio.TaskGroup() as group:
            for recent in list(self._recent.values()):
                if recent.is_stale or is_poll:
                    group.create_task(self._refreshed(recent), name=f"alert events of {recent.force}")

    async def _refreshed(self, recent: _Recent) -> None:
        recent.is_stale = False
        try:
            await self._advance(recent)
        except BaseException:
            recent.is_stale = True
            raise

    async def _advance(self, recent: _Recent) -> None:
        recent.drop_if_outdated()
        if recent.tip is None:
            recent.tip = recent.after = await self._source.last_number(recent.force)
            recent.tell()
        is_full = True
        while is_full:
            page = await self._source.page(recent.force, recent.tip)
            is_full = len(page.events) == PAGE
            recent.take(page)

    def _read_soon(self, recent: _Recent) -> None:
        recent.is_stale = True
        self._stale.set()

    @contextmanager
    def _subscribed(self, force: str, *, of_a_person: bool) -> Iterator[_Recent]:
        recent = self._recent.setdefault(force, _Recent(force))
        recent.subscribers += 1
        if of_a_person:
            _subscribers.add(1, {"force": force})
        self._read_soon(recent)
        try:
            yield recent
        finally:
            recent.subscribers -= 1
            if of_a_person:
                _subscribers.add(-1, {"force": force})
            if not recent.subscribers:
                del self._recent[force]


async def _grown(recent: _Recent, number: int, seconds: float) -> None:
    if recent.tip is not None and recent.tip > number:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await recent.grown.wait()
