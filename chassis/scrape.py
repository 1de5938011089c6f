"""The page of metrics that Prometheus scrapes: text, or OpenMetrics with exemplars when asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from chassis.errors import StartupFailure
from chassis.exemplars import ExemplarReader, Exemplars, WithExemplars

_STOP_SECONDS: Final = 2.0


@contextmanager
def prometheus_page(listen: str) -> Iterator[tuple[MetricReader, int]]:
    """Serve ``/metrics`` at HOST:PORT; yields the reader that feeds it and the port it got."""
    host, _, port = listen.rpartition(":")
    registry, read, exemplars = CollectorRegistry(), CollectorRegistry(), Exemplars()
    reader = ExemplarReader(read, exemplars)
    registry.register(WithExemplars(read, exemplars))
    ProcessCollector(registry=registry)
    try:
        page, thread = start_http_server(int(port), host, registry)
    except OSError as error:
        raise StartupFailure(f"Cannot serve metrics on {listen}: {error.strerror}.") from error
    try:
        yield reader, page.server_port
    finally:
        page.shutdown()
        page.server_close()
        thread.join(_STOP_SECONDS)
