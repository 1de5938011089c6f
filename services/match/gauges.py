"""The gauges of match, computed when metrics are read: from rows, the head of the log, and the indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Final

from chassis.metrics import Gauge, Values, computing, known
from following import ShownLines
from services.match.names import MetricName

_lag: Final = Gauge(MetricName.MATCH_LAG_READS)
_entries: Final = Gauge(MetricName.MATCH_INDEX_ENTRIES)


class MatchGauges:
    """Computes them for the forces that this replica shows."""

    def __init__(
        self,
        lines: ShownLines,
        entries: Callable[[], Iterable[tuple[str, int]]],
        forces: Callable[[], Iterable[str]],
    ) -> None:
        self._lines = lines
        self._indexed = entries
        self._forces = forces

    def shown(self) -> tuple[AbstractContextManager[None], ...]:
        """What shows them, for `chassis.metrics.showing`."""
        return (
            computing(self.compute, _lag),
            _entries.observing(self._in_memory),
            known(lambda: [{"force": force} for force in self._forces()]),
        )

    async def compute(self) -> Mapping[Gauge, Values]:
        """What is computed from rows."""
        lines = await self._lines.read([*self._forces()])
        return {_lag: [(line.lag, {"force": line.force}) for line in lines]}

    def _in_memory(self) -> Values:
        return [(entries, {"force": force}) for force, entries in tuple(self._indexed())]
