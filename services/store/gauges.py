"""The gauges of the store, computed from its rows when metrics are read: no replica can show an old value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final

from chassis.database_faults import database_free_bytes
from chassis.metrics import Gauge, Labels, Values, begin_counters, computing, known
from services.store.consumers.consumer import Consumers
from services.store.log.live import LiveLogs
from services.store.names import MetricName
from services.store.retention.overdue import overdue_count
from services.store.retention.records import RetentionRecords

_position: Final = Gauge(MetricName.POSITION)
_active: Final = Gauge(MetricName.FORCE_ACTIVE)
_lag_reads: Final = Gauge(MetricName.CONSUMER_LAG_READS)
_lag_seconds: Final = Gauge(MetricName.CONSUMER_LAG_SECONDS)
_overdue: Final = Gauge(MetricName.OVERDUE_DAYS)
_breaker_open: Final = Gauge(MetricName.BREAKER_OPEN)
_queue_share: Final = Gauge(MetricName.QUEUE_SHARE)
_day_bytes: Final = Gauge(MetricName.DAY_BYTES)
_disk_free: Final = Gauge(MetricName.DISK_FREE_BYTES)


class StoreGauges:
    """Computes them."""

    def __init__(  # noqa: PLR0917
        self,
        consumers: Consumers,
        records: RetentionRecords,
        logs: LiveLogs,
        retention_days: int,
        now_us: Callable[[], int],
        image_bytes_free: Callable[[], int | None],
    ) -> None:
        self._consumers = consumers
        self._records = records
        self._logs = logs
        self._retention_days = retention_days
        self._now_us = now_us
        self._image_bytes_free = image_bytes_free
        self._forces: frozenset[str] = frozenset()

    def shown(self) -> tuple[AbstractContextManager[None], ...]:
        """What shows them, for `chassis.metrics.showing`."""
        return (
            computing(self.compute, _position, _active, _lag_reads, _lag_seconds, _overdue),
            # By itself: it waits for partitions that are being dropped.
            computing(self.compute_sizes, _day_bytes),
            _breaker_open.observing(self._refusing),
            _queue_share.observing(self._queues),
            _disk_free.observing(self._free),
            known(lambda: [{"force": force} for force in self._forces]),
        )

    async def compute(self) -> Mapping[Gauge, Values]:
        """All that is computed from rows."""
        self._forces = frozenset(await self._records.forces())
        begin_counters()
        values: defaultdict[Gauge, list[tuple[float, Labels]]] = defaultdict(list)
        for lag in await self._consumers.lags(self._forces):
            values[_position].append((lag.head, {"force": lag.force}))
            values[_active].append((lag.active, {"force": lag.force}))
            if lag.consumer is not None:
                labels = {"force": lag.force, "consumer": lag.consumer}
                waited = 0 if lag.oldest_us is None else max(0, self._now_us() - lag.oldest_us) / 1e6
                values[_lag_reads].append((lag.reads, labels))
                values[_lag_seconds].append((waited, labels))
        for force in self._forces:
            days = await overdue_count(self._records, force, self._now_us(), self._retention_days)
            values[_overdue].append((days, {"force": force}))
        return values

    async def compute_sizes(self) -> Mapping[Gauge, Values]:
        """The size of the largest day."""
        return {_day_bytes: [(await self._records.largest_day_bytes(), {})]}

    def _queues(self) -> Values:
        return [(share, {"force": force}) for force, share in self._logs.queue_shares()]

    def _free(self) -> Values:
        found = {"database": database_free_bytes(), "images": self._image_bytes_free()}
        return [(free, {"disk": disk}) for disk, free in found.items() if free is not None]

    def _refusing(self) -> Values:
        return [(refusing, {"force": force}) for force, refusing in self._logs.refusing()]
