"""All forwarders of this process: made from the settings, started together, stopped politely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from clients.store import StoreClient
from services.nas_bridge.destination import Destination
from services.nas_bridge.follower import Follower
from services.nas_bridge.forwarder import Forwarder, ForwarderLimits
from services.nas_bridge.intake import ParcelLimits
from services.nas_bridge.records import Claims, Route
from services.nas_bridge.refusals import RefusalLimits
from services.nas_bridge.reporting import CursorReport
from services.nas_bridge.settings import BridgeSection, DestinationSettings


def destinations_by_force(settings: BridgeSection) -> dict[str, list[str]]:
    """The names of each force's destinations."""
    return {
        force: [destination.name for destination in settings.destinations if destination.takes(force)]
        for force in settings.forces
    }


@dataclass(frozen=True)
class Forwarding:
    """What forwarders share."""

    settings: BridgeSection
    destinations: Mapping[str, Destination]
    store: StoreClient
    claims: Claims

    def forwarders(self) -> dict[Route, Forwarder]:
        """One forwarder for each force and destination."""
        return {
            Route(force, destination.name): self._forwarder(Route(force, destination.name), destination)
            for force in self.settings.forces
            for destination in self.settings.destinations
            if destination.takes(force)
        }

    def _forwarder(self, route: Route, destination: DestinationSettings) -> Forwarder:
        limits = limits_of(self.settings, destination)
        return Forwarder(
            route=route,
            destination=self.destinations[destination.name],
            follower=Follower(self.store, *route, destination.images, limits.backoff()),
            claims=self.claims,
            report=CursorReport(self.store, route),
            limits=limits,
        )


def limits_of(settings: BridgeSection, destination: DestinationSettings) -> ForwarderLimits:
    """The limits that the settings give a forwarder."""
    return ForwarderLimits(
        parcel=ParcelLimits(destination.most_reads, settings.most_bytes, settings.gather_seconds),
        refusals=RefusalLimits(settings.refused_in_a_row, settings.refused_percent),
        timeout_seconds=destination.timeout_seconds,
        retry_first_seconds=settings.retry_first_seconds,
        retry_most_seconds=settings.retry_most_seconds,
        skip_purged=settings.skip_purged,
    )


def run_forwarders(
    forwarders: Mapping[Route, Forwarder],
    own: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Start all; the callback that comes back stops them all, each after the delivery that it is at."""
    tasks = [own(forwarder.run(), f"forward {'/'.join(route)}") for route, forwarder in forwarders.items()]

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return stop
