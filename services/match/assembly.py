"""The parts of match put together, over a pool and the store."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from services.match.feed import Feed
from services.match.follower import Follower
from services.match.importing import HotlistImports
from services.match.leases import Leases
from services.match.live_index import LiveIndex
from services.match.ports import AuditTrail, Clock, ReadLog, utc_now
from services.match.postgres import ALERTS_CHANNEL, LISTS_CHANNEL, PostgresMatching
from services.match.postgres_alerts import PostgresAlerts
from services.match.postgres_hotlists import PostgresHotlists
from services.match.retention import AlertRetention
from services.match.service import AlertService, HotlistService
from services.match.settings import MatchSection

# For the leases, the feeds, and what people ask.
_SHARED_CONNECTIONS: Final = 3


@dataclass(frozen=True)
class Assembly:
    """Everything of one replica."""

    matching: PostgresMatching
    imports: HotlistImports
    indexes: dict[str, LiveIndex]
    feeds: dict[str, Feed]
    followers: dict[str, Follower]
    leases: Leases
    retention: AlertRetention
    hotlist_service: HotlistService
    alert_service: AlertService

    async def prepare(self) -> None:
        """Give every force its row."""
        for force in self.followers:
            await self.matching.cursor(force)

    def tasks(self) -> Iterator[tuple[Coroutine[Any, Any, None], str]]:
        """What has to run all the time, with names."""
        yield self.leases.run(), "leases"
        yield self.imports.clear_replaced(), "clear replaced loads"
        yield self.retention.run(), "retention of alerts"
        for force in self.followers:
            yield self.feeds[force].run(), f"feed of {force}"
            yield self.followers[force].run(), f"follower of {force}"

    def close(self) -> None:
        """End the subscriptions."""
        for feed in self.feeds.values():
            feed.close()


def assemble(
    section: MatchSection, pool: asyncpg.Pool, log: ReadLog, audit: AuditTrail, clock: Clock = utc_now
) -> Assembly:
    """Put a replica together; nothing runs yet."""
    forces = section.forces
    may_hold = pool.get_max_size() - section.imports_at_once - _SHARED_CONNECTIONS
    matching = PostgresMatching(pool, may_hold=may_hold)
    hotlists, alerts = PostgresHotlists(pool), PostgresAlerts(pool)
    indexes = {force: LiveIndex(force, hotlists) for force in forces}
    feeds = {force: Feed(force, alerts) for force in forces}
    followers: dict[str, Follower] = {}
    leases = _leases(pool, forces, feeds, followers)
    for force in forces:
        followers[force] = Follower(
            force,
            log=log,
            matching=matching,
            index=indexes[force],
            leases=leases,
            feed=feeds[force],
            clock=clock,
        )
    imports = HotlistImports(
        hotlists, indexes, at_once=section.imports_at_once, most_entries=section.most_entries, clock=clock
    )
    return Assembly(
        matching,
        imports,
        indexes,
        feeds,
        followers,
        leases,
        AlertRetention(alerts, feeds, section.alert_days, clock),
        HotlistService(imports, hotlists, feeds, audit),
        AlertService(alerts, matching, feeds, audit, clock),
    )


def _leases(
    pool: asyncpg.Pool, forces: Sequence[str], feeds: dict[str, Feed], followers: dict[str, Follower]
) -> Leases:
    def on(act: Callable[[str], None]) -> Callable[[str], None]:
        # A replica hears of forces that only others serve.
        return lambda payload: act(payload) if payload.split(" ")[0] in feeds else None

    def alerts(payload: str) -> None:
        force, _, number = payload.partition(" ")
        feeds[force].heard(int(number))

    listeners = {
        ALERTS_CHANNEL: on(alerts),
        LISTS_CHANNEL: on(lambda force: followers[force].lists_changed()),
    }
    return Leases(pool, forces, listeners)
