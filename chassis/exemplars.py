"""Exemplars: a trace beside the bucket that counts one of its measurements, for those who read OpenMetrics.

OpenTelemetry's Prometheus exporter leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import Histogram, HistogramDataPoint, MetricsData
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample

_BUCKET: Final = "_bucket"
_LIMIT: Final = "le"

_Key = tuple[str, frozenset[tuple[str, str]]]
"""A sample: its name and its labels, the limit of its bucket among them."""


class Exemplars:
    """The latest exemplar of each bucket. The SDK forgets them when they have been read once."""

    def __init__(self) -> None:
        self._latest: dict[_Key, Exemplar] = {}

    def take(self, data: MetricsData) -> None:
        """Remember those of all histograms."""
        scopes = chain.from_iterable(resource.scope_metrics for resource in data.resource_metrics)
        for metric in chain.from_iterable(scope.metrics for scope in scopes):
            if isinstance(metric.data, Histogram):
                for point in metric.data.data_points:
                    self._latest.update(_found(f"{metric.name}{_BUCKET}", point))

    def of(self, sample: Sample) -> Exemplar | None:
        """The exemplar of a bucket, if it has one."""
        return self._latest.get((sample.name, frozenset(sample.labels.items())))


class ExemplarReader(PrometheusMetricReader):
    """Also remembers the exemplars of what it reads."""

    def __init__(self, registry: CollectorRegistry, exemplars: Exemplars) -> None:
        super().__init__(scope_info_enabled=False, registry=registry)
        self._exemplars = exemplars

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        if metrics_data is not None:
            self._exemplars.take(metrics_data)
        super()._receive_metrics(metrics_data, timeout_millis, **kwargs)


class WithExemplars(Collector):
    """What another registry collects, with exemplars at the buckets of histograms."""

    def __init__(self, source: CollectorRegistry, exemplars: Exemplars) -> None:
        self._source = source
        self._exemplars = exemplars

    def collect(self) -> Iterable[Metric]:
        """All metrics of the source."""
        for metric in self._source.collect():
            if metric.type == "histogram":
                metric.samples = [self._with_exemplar(sample) for sample in metric.samples]
            yield metric

    def _with_exemplar(self, sample: Sample) -> Sample:
        if not sample.name.endswith(_BUCKET):
            return sample
        return sample._replace(exemplar=self._exemplars.of(sample))


def _found(name: str, point: HistogramDataPoint) -> Iterator[tuple[_Key, Exemplar]]:
    labels = {key: str(value) for key, value in (point.attributes or {}).items()}
    for each in point.exemplars:
        if each.trace_id is None or each.span_id is None:
            continue
        ids = {"trace_id": f"{each.trace_id:032x}", "span_id": f"{each.span_id:016x}"}
        limit = next((f"{bound}" for bound in point.explicit_bounds if each.value <= bound), "+Inf")
        key = name, frozenset({**labels, _LIMIT: limit}.items())
        yield key, Exemplar(ids, each.value, each.time_unix_nano / 1e9)
