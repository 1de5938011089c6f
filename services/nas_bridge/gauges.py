"""The gauges of the bridge, computed from the lines' rows and the head of the log when metrics are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Final

from chassis.metrics import Gauge, Labels, Values, begin_counters, computing, known
from following import ShownLine, ShownLines
from services.nas_bridge.names import MetricName

_lag_reads: Final = Gauge(MetricName.BRIDGE_LAG_READS)
_failing_seconds: Final = Gauge(MetricName.BRIDGE_FAILING_SECONDS)
_held: Final = Gauge(MetricName.BRIDGE_HELD)


class BridgeGauges:
    """Computes them for the destinations that this replica shows."""

    def __init__(self, lines: ShownLines, forces: Callable[[], Collection[str]]) -> None:
        self._lines = lines
        self._forces = forces
        self._shown: list[Labels] = []

    def shown(self) -> tuple[AbstractContextManager[None], ...]:
        """What shows them, for `chassis.metrics.showing`."""
        return computing(self.compute, _lag_reads, _failing_seconds, _held), known(lambda: self._shown)

    async def compute(self) -> Mapping[Gauge, Values]:
        """The values of all destinations."""
        values: defaultdict[Gauge, list[tuple[float, Labels]]] = defaultdict(list)
        lines = await self._lines.read(self._forces())
        for line in lines:
            labels = _labels(line)
            values[_lag_reads].append((line.lag, labels))
            values[_failing_seconds].append((line.failing_seconds, labels))
            values[_held].append((line.paused, {**labels, "why": "paused"}))
            values[_held].append((line.stopped, {**labels, "why": "stopped"}))
        self._shown = [_labels(line) for line in lines]
        begin_counters()
        return values


def _labels(line: ShownLine) -> dict[str, str]:
    return {"force": line.force, "destination": line.line}
