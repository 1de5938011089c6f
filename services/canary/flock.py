"""A canary for each active force."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from chassis.metrics import Gauge, Total, Values
from services.canary.force_canary import ForceCanary
from services.canary.names import MetricName

_due: Final = Total(MetricName.CANARY_SENT)
_heard: Final = Total(MetricName.CANARY_HEARD)
_missed: Final = Gauge(MetricName.CANARY_MISSED)

_log = logging.getLogger(__name__)


class ForceDirectory(Protocol):
    """The directory of forces."""

    @property
    def active(self) -> Collection[str]:
        """The forces that are served."""

    @property
    def changed(self) -> asyncio.Event:
        """Set after each change."""


class Flock:
    """Begins a canary when a force appears in the directory, and ends it when the force is retired."""

    def __init__(self, directory: ForceDirectory, hatch: Callable[[str], ForceCanary]) -> None:
        self._directory = directory
        self._hatch = hatch
        self._canaries: Mapping[str, ForceCanary] = {}

    async def run(self) -> None:
        """Follow the directory without end. Raises what a canary raises, in a group."""
        tasks: dict[str, asyncio.Task[None]] = {}
        with (
            _due.observing(self._counts("due")),
            _heard.observing(self._counts("heard")),
            _missed.observing(self._counts("missed")),
        ):
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._directory.changed.wait()
                    self._directory.changed.clear()
                    self._follow(frozenset(self._directory.active), tasks, group)

    def _follow(
        self, active: frozenset[str], tasks: dict[str, asyncio.Task[None]], group: asyncio.TaskGroup
    ) -> None:
        canaries = dict(self._canaries)
        for force in canaries.keys() - active:
            tasks.pop(force).cancel()
            del canaries[force]
        for force in sorted(active - canaries.keys()):
            canaries[force] = self._hatch(force)
            tasks[force] = group.create_task(canaries[force].run(), name=f"canary of {force}")
        # Replaced as a whole, since metrics are read by another thread.
        self._canaries = canaries
        _log.info("canaries of the active forces", extra={"forces": len(canaries)})

    def _counts(self, name: str) -> Callable[[], Values]:
        def values() -> Values:
            return [
                (getattr(canary.judge, name), {"force": force}) for force, canary in self._canaries.items()
            ]

        return values
