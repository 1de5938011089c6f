"""Traces and metrics of a service. Settings say where they are sent."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from importlib.metadata import version
from typing import Final, Protocol

from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, NonRecordingSpan, get_current_span, use_span

from chassis import traceparent as w3c
from chassis import tracing
from chassis.histograms import bucket_views
from chassis.joint_spans import MOST_SPANS
from chassis.metrics import SCOPE, Gauge, Values, begin_counters, meter
from chassis.names import MetricName
from chassis.sampler import head_sampler
from chassis.settings import TelemetrySettings
from chassis.spanfile import SpanFile
from chassis.tracing import UNSAMPLED, QuietTracer, TraceBudget

__all__ = [
    "context_from",
    "current_traceparent",
    "link_from",
    "meter",
    "metrics_port",
    "telemetry",
    "tracer",
    "untraced",
    "within",
]

_EXPORT_EVERY_MS: Final = 500
_QUEUED_SPANS: Final = 16_384
_METRICS_EVERY_MS: Final = 15_000
_FLUSH_SECONDS: Final = 2.0

_tracer: Final = tracing.tracer()
_build_info: Final = Gauge(MetricName.BUILD_INFO)
_started_seconds: Final = Gauge(MetricName.STARTED_SECONDS)
_meter_provider: MeterProvider | None = None
_metrics_port: int | None = None


class _Exporter(Protocol):
    def shutdown(self) -> None: ...


@asynccontextmanager
async def telemetry(service: str, settings: TelemetrySettings) -> AsyncIterator[None]:
    """Send the process' spans and metrics where `settings` say; flush them on leaving.

    Without a spans file and an OTLP endpoint nothing is recorded and spans cost next to nothing.
    """
    built, started = version("gantry"), time.time()
    resource = Resource(
        {"service.name": service, "service.version": built, "service.instance.id": str(uuid.uuid4())}
    )

    def build_info() -> Values:
        begin_counters()
        return [(1, {"service": service, "version": built})]

    async with AsyncExitStack() as opened:
        opened.enter_context(_build_info.observing(build_info))
        opened.enter_context(_started_seconds.observing(lambda: [(started, {"service": service})]))
        exporters = _span_exporters(service, settings)
        if exporters:
            budget = TraceBudget(settings.traces_per_second)
            provider = _tracer_provider(resource, budget, exporters)
            opened.push_async_callback(_flush, provider.shutdown, exporters)
            opened.enter_context(_tracer.recording(provider.get_tracer(SCOPE), budget))
        await opened.enter_async_context(_measuring(resource, settings))
        yield


def tracer() -> QuietTracer:
    """The tracer for a service's own spans; may be kept, follows `telemetry`."""
    return _tracer


def metrics_port() -> int | None:
    """The port on which Prometheus can scrape this process, if any."""
    return _metrics_port


def current_traceparent() -> str:
    """The W3C traceparent of the current span, or "" when there is none or it is not sampled."""
    span = get_current_span().get_span_context()
    return w3c.render(span) if span.is_valid and span.trace_flags.sampled else ""


def context_from(traceparent: str) -> Context | None:
    """A context whose current span is the one named, for use as a parent; None when malformed."""
    remote = w3c.parse(traceparent)
    return None if remote is None else w3c.context_of(remote)


def link_from(traceparent: str) -> Link | None:
    """A link to the span named; None when empty or malformed."""
    remote = w3c.parse(traceparent)
    return None if remote is None else Link(remote)


@contextmanager
def within(traceparent: str) -> Iterator[None]:
    """Log lines inside the block name this span; when it is empty or malformed, they name the current one."""
    remote = w3c.parse(traceparent)
    with nullcontext() if remote is None else use_span(NonRecordingSpan(remote)):
        yield


@contextmanager
def untraced() -> Iterator[None]:
    """Calls inside the block begin no trace, here and at the far side: for work that belongs to no call."""
    with use_span(UNSAMPLED, end_on_exit=False):
        yield


def _tracer_provider(
    resource: Resource, budget: TraceBudget, exporters: Sequence[SpanExporter]
) -> TracerProvider:
    limits = SpanLimits(max_links=MOST_SPANS)
    provider = TracerProvider(head_sampler(budget), resource, shutdown_on_exit=False, span_limits=limits)
    for exporter in exporters:
        provider.add_span_processor(
            BatchSpanProcessor(exporter, _QUEUED_SPANS, schedule_delay_millis=_EXPORT_EVERY_MS)
        )
    return provider


def _span_exporters(service: str, settings: TelemetrySettings) -> list[SpanExporter]:
    exporters: list[SpanExporter] = []
    if settings.spans_file is not None:
        exporters.append(SpanFile(service, settings.spans_file))
    if settings.otlp_endpoint is not None and settings.otlp_traces:
        # Imported late: the exporter is slow to import and seldom used on one machine.
        from chassis.otlp import Spans  # noqa: PLC0415

        exporters.append(Spans(settings.otlp_endpoint))
    return exporters


@asynccontextmanager
async def _measuring(resource: Resource, settings: TelemetrySettings) -> AsyncIterator[None]:
    global _metrics_port  # noqa: PLW0603 - one page a process
    async with AsyncExitStack() as opened:
        if settings.metrics_listen is not None:
            # Imported late, like the other exporters: most processes of a test or a tool need none.
            from chassis.scrape import prometheus_page  # noqa: PLC0415

            reader, _metrics_port = opened.enter_context(prometheus_page(settings.metrics_listen))
            opened.callback(_attach(reader, resource).remove_metric_reader, reader)
        if settings.otlp_endpoint is not None and settings.otlp_metrics:
            pushing, exporter = _otlp_metrics(settings.otlp_endpoint)
            _attach(pushing, resource)
            # Its shutdown pushes the last values. A reader that was removed cannot do this.
            opened.push_async_callback(_flush, pushing.shutdown, [exporter])
        try:
            yield
        finally:
            _metrics_port = None


def _attach(reader: MetricReader, resource: Resource) -> MeterProvider:
    # OpenTelemetry allows one meter provider a process; a second telemetry() joins the first one's.
    global _meter_provider  # noqa: PLW0603
    if _meter_provider is None:
        _meter_provider = MeterProvider(resource=resource, shutdown_on_exit=False, views=bucket_views())
        metrics.set_meter_provider(_meter_provider)
    _meter_provider.add_metric_reader(reader)
    return _meter_provider


def _otlp_metrics(endpoint: str) -> tuple[MetricReader, _Exporter]:
    from chassis.otlp import Metrics  # noqa: PLC0415

    exporter = Metrics(endpoint)
    return PeriodicExportingMetricReader(exporter, export_interval_millis=_METRICS_EVERY_MS), exporter


async def _flush(shut_down: Callable[[], object], exporters: Sequence[_Exporter]) -> None:
    """Flush and end. What a collector has not taken after 2 s is lost: the SDK would wait for 30 s."""

    def give_up() -> None:
        for exporter in exporters:
            exporter.shutdown()

    timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, give_up)
    try:
        await asyncio.to_thread(shut_down)
    finally:
        timer.cancel()
