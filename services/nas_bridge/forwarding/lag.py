"""The lag of each line of this replica, as a gauge that is computed when it is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from opentelemetry.metrics import CallbackOptions, Observation

from chassis.telemetry import meter
from services.nas_bridge.destinations.destination import Route
from services.nas_bridge.names import MetricName

_lags: Final[dict[Route, int]] = {}


def set_lag(route: Route, reads: int) -> None:
    """Reads of the log that the line has not delivered yet."""
    _lags[route] = reads


def forget_lag(route: Route) -> None:
    """The line no longer runs here: another replica may report its lag now."""
    _lags.pop(route, None)


def _observed(_: CallbackOptions) -> Iterable[Observation]:
    return [
        Observation(reads, {"force": force, "destination": name}) for (force, name), reads in _lags.items()
    ]


meter().create_observable_gauge(
    MetricName.BRIDGE_LAG_READS, [_observed], "1", "Reads of the log not yet delivered"
)
