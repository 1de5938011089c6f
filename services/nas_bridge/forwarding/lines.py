"""The line that delivers one force's log to one destination."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from following import DesiredState, GapPolicy, GatherLimits, Lease, Line, ReadLogSource
from following.read_log import ReadLog
from reads.appended import Appended
from services.nas_bridge.destinations.connections import Connections
from services.nas_bridge.destinations.destination import DestinationSettings, Images, Route
from services.nas_bridge.forwarding.delivery import Deliveries
from services.nas_bridge.forwarding.images import WithoutOverviews
from services.nas_bridge.forwarding.refusals import RefusalLimits
from services.nas_bridge.forwarding.step import DeliveryLimits, DeliveryStep

# From then on the status says that a destination does not answer, though it still may.
_SLOW_SECONDS: Final = 5.0


class SettingsRows(Protocol):
    """The stored settings of destinations."""

    async def settings(self, route: Route) -> DestinationSettings:
        """How a destination is reached. It has a line, so it exists."""


@dataclass(frozen=True)
class ForwardingLimits:
    """Limits of all destinations: gathering, back-off, refusals, gaps."""

    most_bytes: int
    gather_seconds: float
    retry_first_seconds: float
    retry_most_seconds: float
    refusals: RefusalLimits
    gaps: GapPolicy


@dataclass(frozen=True)
class Forwarding:
    """Makes the line of any destination."""

    log: ReadLog
    rows: SettingsRows
    connections: Connections
    deliveries: Deliveries
    limits: ForwardingLimits

    async def line_of(self, lease: Lease) -> Line[Appended]:
        """The line that a lease is for."""
        route, limits = Route(lease.force, lease.line), self.limits
        settings = await self.rows.settings(route)
        source = ReadLogSource(self.log, *route, include_images=settings.images is not Images.NONE)
        return Line(
            WithoutOverviews(source) if settings.images is Images.PLATE_PATCH else source,
            partial(self._open_step, settings),
            limits=GatherLimits(settings.most_reads, limits.most_bytes, limits.gather_seconds),
            gaps=limits.gaps,
            reports=lease.state is not DesiredState.SHADOW,
            slow_seconds=_SLOW_SECONDS,
            slow_said=(
                f"no answer for {_SLOW_SECONDS:g} s; the submission under way may take "
                f"{settings.timeout_seconds:g} s"
            ),
            first_wait=limits.retry_first_seconds,
            most_wait=limits.retry_most_seconds,
        )

    @asynccontextmanager
    async def _open_step(self, settings: DestinationSettings, lease: Lease) -> AsyncIterator[DeliveryStep]:
        route = Route(lease.force, lease.line)
        async with AsyncExitStack() as opened:
            yield DeliveryStep(
                route,
                lambda: opened.enter_async_context(self.connections.open(settings)),
                self.deliveries,
                DeliveryLimits(settings.timeout_seconds, self.limits.refusals),
            )
