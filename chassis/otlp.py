"""Pushes to an OpenTelemetry collector. An outage of the collector is one warning, however long it lasts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

import grpc
from opentelemetry.exporter.otlp.proto.grpc import exporter as _exporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk import _shared_internal as _batching
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

_TIMEOUT_SECONDS: Final = 5

_log = logging.getLogger(__name__)


class Spans(OTLPSpanExporter):
    """Pushes spans."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint, _is_plaintext(endpoint), timeout=_TIMEOUT_SECONDS)
        self._outage = Outage("spans", endpoint, "GANTRY_TELEMETRY__OTLP_TRACES")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Push some spans."""
        result = super().export(spans)
        self._outage.tell(taken=result is SpanExportResult.SUCCESS)
        return result


class Metrics(OTLPMetricExporter):
    """Pushes metrics."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint, _is_plaintext(endpoint), timeout=_TIMEOUT_SECONDS)
        self._outage = Outage("metrics", endpoint, "GANTRY_TELEMETRY__OTLP_METRICS")

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Push the values of all metrics."""
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self._outage.tell(taken=result is MetricExportResult.SUCCESS)
        return result


class Outage:
    """Logs the begin and the end of a time in which a collector takes nothing."""

    def __init__(self, what: str, endpoint: str, switch: str) -> None:
        self._what = what
        self._endpoint = endpoint
        self._switch = switch
        self._lasts = False

    def tell(self, *, taken: bool) -> None:
        """The collector has, or has not, `taken` what was sent."""
        about = {"what": self._what, "endpoint": self._endpoint}
        if taken and self._lasts:
            _log.info("the collector takes them again", extra=about)
        elif not taken and not self._lasts:
            code = _quiet.code
            advice = f"{self._switch}=false if it never takes {self._what}" if code == "UNIMPLEMENTED" else ""
            _log.warning(
                "the collector takes nothing; it is tried again without further lines",
                extra={**about, "cause": code, **({"advice": advice} if advice else {})},
            )
        self._lasts = not taken


class _Quiet(logging.Filter):
    """Drops the lines of the SDK, one for each attempt, and keeps the status that they name."""

    def __init__(self) -> None:
        super().__init__()
        # Each exporter has a thread of its own.
        self._of_thread = threading.local()

    @property
    def code(self) -> str:
        """The last status that this thread met."""
        return str(getattr(self._of_thread, "code", ""))

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line of the SDK is logged: never."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        for status in (each for each in arguments if isinstance(each, grpc.StatusCode)):
            self._of_thread.code = status.name
        return False


_quiet: Final = _Quiet()
# These modules log only failed attempts, and what was dropped because of them.
for _noisy in (_exporter.__name__, _batching.__name__):
    # The SDK's own filter passes on only the first of equal lines.
    logging.getLogger(_noisy).filters.insert(0, _quiet)


def _is_plaintext(endpoint: str) -> bool:
    return endpoint.startswith("http://")
