"""Spans and metrics reach an OpenTelemetry collector, the last ones too."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from chassis.metrics import Gauge, Kind, Metric
from chassis.settings import TelemetrySettings
from chassis.telemetry import meter, telemetry, tracer


class Collector(trace_service_pb2_grpc.TraceServiceServicer, metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.services: set[str] = set()

    async def Export(self, request, context):
        traces = isinstance(request, trace_service_pb2.ExportTraceServiceRequest)
        for group in request.resource_spans if traces else request.resource_metrics:
            self.services |= {
                item.value.string_value for item in group.resource.attributes if item.key == "service.name"
            }
            for scope in group.scope_spans if traces else group.scope_metrics:
                self.names |= {item.name for item in (scope.spans if traces else scope.metrics)}
        if traces:
            return trace_service_pb2.ExportTraceServiceResponse()
        return metrics_service_pb2.ExportMetricsServiceResponse()


@pytest.fixture
async def collector():
    server, servicer = grpc.aio.server(), Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield servicer, f"http://127.0.0.1:{port}"
    await server.stop(None)


async def test_a_collector_gets_spans_and_metrics(collector, until):
    received, endpoint = collector
    counter = meter().create_counter("gantry_test_pushed")
    async with telemetry("pusher", TelemetrySettings(otlp_endpoint=endpoint)):
        counter.add(1)
        with tracer().start_as_current_span("pushed"):
            pass
    await until(lambda: {"pushed", "gantry_test_pushed"} <= received.names)
    assert "pusher" in received.services


class Truth(Metric):
    OPEN = ("gantry_test_open", Kind.GAUGE, "1", "1 while it is open", "force")


async def test_a_gauge_that_is_true_or_false_is_pushed_with_all_others(collector, until, caplog):
    received, endpoint = collector
    with Gauge(Truth.OPEN).observing(lambda: [(True, {"force": "essex"}), (False, {"force": "kent"})]):
        async with telemetry("pusher", TelemetrySettings(otlp_endpoint=endpoint)):
            pass
    await until(lambda: Truth.OPEN in received.names)
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


class SpansOnly(trace_service_pb2_grpc.TraceServiceServicer):
    """A collector that does not know metrics."""

    def __init__(self) -> None:
        self.resources: list[dict[str, str]] = []
        self.fails = True

    async def Export(self, request, context):
        if self.fails:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
        self.resources += [
            {item.key: item.value.string_value for item in group.resource.attributes}
            for group in request.resource_spans
        ]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
async def spans_only():
    server, servicer = grpc.aio.server(), SpansOnly()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield servicer, f"http://127.0.0.1:{port}"
    await server.stop(None)


async def test_an_outage_of_the_collector_is_one_warning(spans_only, until, caplog):
    received, endpoint = spans_only
    caplog.set_level("INFO")
    async with telemetry("pusher", TelemetrySettings(otlp_endpoint=endpoint)):
        for _ in range(3):
            with tracer().start_as_current_span("pushed"):
                pass
            await asyncio.sleep(0.6)  # longer than between two exports
        received.fails = False
        with tracer().start_as_current_span("pushed"):
            pass
        await until(lambda: received.resources)
    lines = [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert [(line.levelname, line.what, line.cause) for line in lines] == [
        ("WARNING", "spans", "PERMISSION_DENIED"),
        ("WARNING", "metrics", "UNIMPLEMENTED"),
    ]
    assert lines[1].advice == "GANTRY_TELEMETRY__OTLP_METRICS=false if it never takes metrics"
    assert "the collector takes them again" in [record.getMessage() for record in caplog.records]
    resource = received.resources[0]
    assert resource["service.name"] == "pusher"
    assert resource["service.version"] == version("gantry")
    assert len(resource["service.instance.id"]) == 36


async def test_metrics_and_traces_are_switched_separately(spans_only, until, caplog):
    received, endpoint = spans_only
    received.fails = False
    async with telemetry("pusher", TelemetrySettings(otlp_endpoint=endpoint, otlp_metrics=False)):
        with tracer().start_as_current_span("pushed"):
            pass
    await until(lambda: received.resources)
    async with telemetry("pusher", TelemetrySettings(otlp_endpoint=endpoint, otlp_traces=False)):
        assert not tracer().start_span("not pushed").is_recording()
    assert [record.what for record in caplog.records if record.levelname == "WARNING"] == ["metrics"]
