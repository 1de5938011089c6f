"""A force's alerts and acknowledgements as they happen, for any number of subscribers.

The last events stay in memory, read from the database once for all subscribers. Who is further behind, at
the start or because they are slow, reads pages from the database at their own pace: no queue grows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from chassis.errors import Unavailable
from chassis.names import MetricName
from chassis.telemetry import meter
from services.match.events import Event, Page
from services.match.passing import go_on_after
from services.match.places import Place
from services.match.postgres_alerts import PAGE

KEPT_EVENTS: Final = 2_000
POLL_SECONDS: Final = 1.0
SIGN_OF_LIFE_SECONDS: Final = 10.0

_subscribers = meter().create_up_down_counter(
    MetricName.MATCH_SUBSCRIBERS, "1", "Subscriptions to alerts open now, by force"
)
_log = logging.getLogger(__name__)


class EventSource(Protocol):
    """Where events are kept; see `services.match.postgres_alerts.PostgresAlerts`."""

    async def last_number(self, force: str) -> int:
        """The number of the last event."""

    async def page(self, force: str, place: Place) -> Page:
        """The next events after a place."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to send next, and where the subscription is then; without events: all there is has been sent."""

    events: Sequence[Event]
    place: Place


class Feed:
    """The events of one force. `run` has to be running."""

    def __init__(self, force: str, source: EventSource) -> None:
        self._force = force
        self._source = source
        # Everything in (after, tip] is in memory; nothing is while nobody watches.
        self._recent: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._after = 0
        self._tip: int | None = None
        self._watchers = 0
        self._closed = False
        self._forgetting = False
        self._wake = asyncio.Event()
        self._news = asyncio.Event()

    def heard(self, number: int) -> None:
        """Some replica says that events up to `number` are durable."""
        if self._tip is None or number > self._tip:
            self._wake.set()

    def offer(self, events: Sequence[Event]) -> None:
        """Events of this replica that are durable, with numbers that follow each other."""
        if self._tip is not None and events[0].number <= self._tip + 1:
            self._take(Page(events, events[-1].number))
            self._tell()
        else:
            self._wake.set()

    def forget(self) -> None:
        """Drop what is in memory: alerts end, also there. Subscribers notice nothing."""
        self._forgetting = True
        self._wake.set()

    def close(self) -> None:
        """End all subscriptions: the server is stopping."""
        self._closed = True
        self._tell()

    async def run(self) -> None:
        """Read what is new whenever woken, and once a second in case a notice was lost."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            if self._forgetting or not self._watchers:
                self._forgetting = False
                self._tip = None
                self._recent.clear()
            if not self._watchers:
                continue
            try:
                await self._advance()
            except Exception as error:  # noqa: BLE001 - a bug is raised again
                go_on_after(error)
                _log.warning("alerts cannot be read", extra={"force": self._force})

    async def follow(self, place: Place) -> AsyncGenerator[Step, None]:
        """Events after `place`, then new ones for ever; a step without events at least every 10 seconds.

        Raises Unavailable SERVER_STOPPING after `close`.
        """
        sign_due = 0.0
        with self._watching():
            while not self._closed:
                step = await self._next(place)
                place = step.place
                now = time.monotonic()
                if step.events:
                    yield step
                elif now >= sign_due:
                    sign_due = now + SIGN_OF_LIFE_SECONDS
                    yield step
                else:
                    await self._news_after(place.number, sign_due - now)
        raise Unavailable("SERVER_STOPPING", "the server is stopping; subscribe again", retry_after=1.0)

    async def _next(self, place: Place) -> Step:
        if self._tip is None or place.number < max(place.bound, self._after):
            page = await self._source.page(self._force, place)
            return Step(page.events, place.at(page.upto))
        if place.number >= self._tip:
            return Step((), place)
        return Step([event for event in self._recent if event.number > place.number], place.at(self._tip))

    async def _news_after(self, number: int, seconds: float) -> None:
        if self._tip is not None and self._tip > number:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def _advance(self) -> None:
        before = self._tip
        if self._tip is None:
            self._tip = self._after = await self._source.last_number(self._force)
        full = True
        while full:
            page = await self._source.page(self._force, Place.after(self._tip, self._tip))
            full = len(page.events) == PAGE
            self._take(page)
        if self._tip != before:
            self._tell()

    def _take(self, page: Page) -> None:
        # What was offered while the database was read comes twice.
        tip = self._tip or 0
        self._recent.extend(event for event in page.events if event.number > tip)
        self._tip = max(tip, page.upto)
        if self._recent:
            self._after = max(self._after, self._recent[0].number - 1)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    @contextmanager
    def _watching(self) -> Iterator[None]:
        self._watchers += 1
        _subscribers.add(1, {"force": self._force})
        self._wake.set()
        try:
            yield
        finally:
            self._watchers -= 1
            _subscribers.add(-1, {"force": self._force})
