"""Joins the parts of match. Only this module imports both logic and adapters."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from chassis.metrics import showing
from chassis.pages import PageTokens
from following.gaps import SkipGaps
from following.lease import Lease
from following.line import Line
from following.lines import Lines
from following.read_log import ReadLog, ReadLogSource
from following.shown import Heads, ShownLines
from reads.appended import Appended
from services.match.alerts.postgres import PostgresAlerts
from services.match.alerts.retention import AlertRetention
from services.match.alerts.service import AlertService
from services.match.alerts.subscriptions import Subscriptions
from services.match.cameras.camera_names import CameraNames, CameraSource
from services.match.canary.postgres import PostgresCanaryLists
from services.match.canary.preparing import CanaryHotlists
from services.match.canary.service import CanaryService
from services.match.clock import Clock, utc_now
from services.match.gauges import MatchGauges
from services.match.hotlists.importing import HotlistImports
from services.match.hotlists.postgres import PostgresHotlists
from services.match.hotlists.service import HotlistService
from services.match.index.live_index import LiveIndex
from services.match.index.postgres import PostgresKeys
from services.match.matching.postgres import PostgresMatching
from services.match.matching.step import MatchingSteps, Surroundings
from services.match.notices.postgres import PostgresNotices
from services.match.settings import MatchSection

LINE: Final = "match"
"""Name of the line that matches a force's reads, and of the consumer of its log."""

# For the lines' rows, for notices, and for calls.
_SHARED_CONNECTIONS: Final = 3

Forces = Callable[[], Iterable[str]]


class Indexes:
    """The index of each force, made when it is first asked for."""

    def __init__(self, keys: PostgresKeys) -> None:
        self._keys = keys
        self._indexes: dict[str, LiveIndex] = {}

    def of(self, force: str) -> LiveIndex:
        """The index of a force."""
        if force not in self._indexes:
            self._indexes[force] = LiveIndex(force, self._keys)
        return self._indexes[force]

    def entries(self) -> Iterator[tuple[str, int]]:
        """How many entries of each force are in memory, of the forces that this replica matches."""
        for force, index in tuple(self._indexes.items()):
            if index.in_memory:
                yield force, index.current.entries


@dataclass(frozen=True)
class Assembly:
    """Everything of one replica."""

    alerts: PostgresAlerts
    notices: PostgresNotices
    indexes: Indexes
    imports: HotlistImports
    subscriptions: Subscriptions
    retention: AlertRetention
    lines: Lines
    cameras: CameraNames
    gauges: MatchGauges
    hotlist_service: HotlistService
    alert_service: AlertService
    canary_hotlists: CanaryHotlists
    canary_service: CanaryService

    def tasks(self) -> Iterator[tuple[Coroutine[Any, Any, None], str]]:
        """The tasks that run until the process stops, with names."""
        yield self.lines.run(), "lines"
        yield self.subscriptions.run(), "alert events"
        yield self.notices.send(), "notices"
        yield self.notices.listen(), "listening for notices"
        yield self.imports.clear_replaced(), "clearing of replaced loads"
        yield self.retention.run(), "retention of alerts"
        yield self.cameras.run(), "camera names"
        yield showing(*self.gauges.shown()), "gauges"

    async def stop(self) -> None:
        """End the subscriptions and release the leases."""
        self.subscriptions.close()
        await self.lines.stop()


def assemble(
    section: MatchSection,
    pool: asyncpg.Pool,
    log: ReadLog,
    *,
    heads: Heads,
    forces: Forces,
    pages: PageTokens,
    hears: Callable[[], bool] = lambda: True,
    cameras: CameraSource | None = None,
    clock: Clock = utc_now,
) -> Assembly:
    """Put a replica together; nothing runs yet. `forces` are the forces known at the moment.

    `hears` says whether the store reaches this replica.
    """
    names = CameraNames(cameras, forces)
    alerts, hotlists = PostgresAlerts(pool), PostgresHotlists(pool, LINE)
    indexes = Indexes(PostgresKeys(pool))
    notices = PostgresNotices(pool)
    subscriptions = Subscriptions(alerts, notices)
    may_hold = pool.get_max_size() - section.imports_at_once - _SHARED_CONNECTIONS
    matching = PostgresMatching(pool, LINE, may_hold=may_hold)
    around = Surroundings(subscriptions, names, section.late_seconds, clock)
    steps = MatchingSteps(matching, indexes.of, around)
    lines = Lines(pool, _maker(log, steps), forces=forces, in_every_force=[LINE], hears=hears)
    notices.on_events = subscriptions.heard
    notices.on_hotlists = lines.wake
    imports = HotlistImports(
        hotlists,
        indexes.of,
        notices,
        forces,
        at_once=section.imports_at_once,
        most_entries=section.most_entries,
        most_seconds=section.import_seconds,
        clock=clock,
    )
    canary_hotlists = CanaryHotlists(PostgresCanaryLists(pool), imports)
    return Assembly(
        alerts,
        notices,
        indexes,
        imports,
        subscriptions,
        AlertRetention(alerts, subscriptions, forces, section.alert_days, clock),
        lines,
        names,
        MatchGauges(ShownLines(pool, lines.replica, heads), indexes.entries, forces),
        HotlistService(imports, hotlists, clock),
        AlertService(alerts, alerts, subscriptions, pages, clock),
        canary_hotlists,
        CanaryService(canary_hotlists, alerts, subscriptions),
    )


def _maker(log: ReadLog, steps: MatchingSteps) -> Callable[[Lease], Line[Appended]]:
    def line(lease: Lease) -> Line[Appended]:
        return Line(
            ReadLogSource(log, lease.force, LINE, canaries=True),
            steps.open,
            # Reads that were purged before they were matched are lost. The others are matched.
            gaps=SkipGaps(),
        )

    return line
