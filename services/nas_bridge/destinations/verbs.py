"""The verbs of destinations: add, pause, resume, retire, list. Each may be repeated without harm."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from chassis.errors import AlreadyExists, Conflict, Fault, NotFound
from following import DesiredState
from services.nas_bridge.destinations.destination import (
    Destination,
    DestinationSettings,
    Route,
    check_settings,
    destination_invalid,
)
from services.nas_bridge.destinations.identities import Identities, IdentityUnusableError
from services.nas_bridge.destinations.plugins import check_adapter

_log = logging.getLogger(__name__)


class DestinationRows(Protocol):
    """The rows of destinations. Every method is one transaction."""

    async def destinations(self, force: str) -> list[Destination]:
        """The destinations of a force by name."""

    async def plan(self, force: str, settings: DestinationSettings) -> Destination:
        """Record a planned destination unless one of that name exists. Returns the stored destination."""

    async def go_live(self, route: Route) -> Destination:
        """Set a planned destination live. Returns the stored destination."""

    async def pause(self, route: Route) -> Destination | None:
        """Pause a destination that is not retired.

        Returns the stored destination, None when it is unknown.
        """

    async def resume(self, route: Route) -> Destination | None:
        """End the pause or stop of a destination that is not retired. Returns the stored destination."""

    async def retire(self, route: Route) -> Destination | None:
        """Retire a destination. Returns the stored destination."""

    async def consumers_to_retire(self, forces: Iterable[str]) -> list[Route]:
        """Retired destinations whose consumer the store may still have."""

    async def consumer_retired(self, route: Route) -> None:
        """Record that the store retired the consumer."""


class Consumers(Protocol):
    """The store's consumers; `clients.store.ReadLogClient` is one. Every method raises Fault."""

    async def register_consumer(self, force: str, consumer: str) -> int:
        """Register a consumer, or find it registered. Returns its cursor."""

    async def retire_consumer(self, force: str, consumer: str) -> None:
        """Retire a consumer: retention no longer waits for it."""


@dataclass(frozen=True)
class Destinations:
    """The verbs. `changed` is called after a change, so that this replica acts at once."""

    rows: DestinationRows
    consumers: Consumers
    identities: Identities
    is_active: Callable[[str], bool]
    changed: Callable[[], None]

    async def of(self, force: str) -> list[Destination]:
        """The destinations of a force by name."""
        return await self.rows.destinations(force)

    async def add(self, force: str, settings: DestinationSettings) -> Destination:
        """Add a destination; delivery begins with the oldest read of the buffer.

        Raises InvalidInput DESTINATION_INVALID, AlreadyExists DESTINATION_EXISTS, NotFound FORCE_UNKNOWN.
        When the store cannot register the consumer, its Fault is raised, and a repeated call continues from
        there.
        """
        self._check(force, settings)
        found = await self.rows.plan(force, settings)
        _require_same(found, settings)
        if found.line.state is DesiredState.PLANNED:
            route = Route(force, settings.name)
            # Before the destination is live: retention must not delete reads that are not delivered yet.
            await self.consumers.register_consumer(*route)
            found = await self.rows.go_live(route)
            self.changed()
            _require_same(found, settings)
        return found

    async def pause(self, route: Route) -> Destination:
        """Pause delivery. Raises NotFound DESTINATION_UNKNOWN, Conflict DESTINATION_RETIRED."""
        return self._changed(_not_retired(await self.rows.pause(route)))

    async def resume(self, route: Route) -> Destination:
        """Resume delivery after a pause or stop. Raises as `pause`."""
        return self._changed(_not_retired(await self.rows.resume(route)))

    async def retire(self, route: Route) -> Destination:
        """Retire a destination. Raises NotFound DESTINATION_UNKNOWN."""
        retired = self._changed(_known(await self.rows.retire(route)))
        try:
            await self._retire_consumer(route)
        except Fault as fault:
            about = {"force": route.force, "destination": route.destination, "cause": fault.reason}
            _log.warning("the store did not retire the consumer; it is asked again", extra=about)
        return retired

    async def retire_consumers(self, forces: Iterable[str]) -> None:
        """Retire the remaining consumers at the store. Raises Fault: call again later."""
        for route in await self.rows.consumers_to_retire(forces):
            await self._retire_consumer(route)

    async def _retire_consumer(self, route: Route) -> None:
        await self.consumers.retire_consumer(*route)
        await self.rows.consumer_retired(route)

    def _check(self, force: str, settings: DestinationSettings) -> None:
        if not self.is_active(force):
            raise NotFound("FORCE_UNKNOWN", "there is no such force, or it was retired", field="force")
        check_settings(settings)
        check_adapter(settings)
        try:
            self.identities.tls_of(settings.identity)
        except IdentityUnusableError as error:
            raise destination_invalid("identity", str(error)) from error

    def _changed(self, destination: Destination) -> Destination:
        self.changed()
        return destination


def _require_same(found: Destination, settings: DestinationSettings) -> None:
    if found.line.state is DesiredState.RETIRED:
        raise AlreadyExists(
            "DESTINATION_EXISTS", "a destination of this name was retired; choose another name"
        )
    if found.settings != settings:
        raise AlreadyExists(
            "DESTINATION_EXISTS", "it is there with other settings; retire it, or choose another name"
        )


def _known(destination: Destination | None) -> Destination:
    if destination is None:
        raise destination_unknown()
    return destination


def _not_retired(destination: Destination | None) -> Destination:
    if _known(destination).line.state is DesiredState.RETIRED:
        raise Conflict("DESTINATION_RETIRED", "the destination was retired, which cannot be undone")
    return _known(destination)


def destination_unknown() -> NotFound:
    """The fault for a name that no destination of the force has."""
    return NotFound("DESTINATION_UNKNOWN", "the force has no destination of that name", field="destination")
