"""Instruments: counters begin at 0 for what is known, gauges are computed when they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from chassis import metrics as instruments
from chassis.metrics import Gauge, Kind, Metric, Total, begin_counters, computing, counter, known


class Names(Metric):
    STOPS = "gantry_test_stops", Kind.COUNTER, "1", "Stops", "force", "kind=short|long"
    BARE = "gantry_test_bare", Kind.COUNTER, "1", "Something"
    OTHER = "gantry_test_other", Kind.COUNTER, "1", "Something of a destination", "destination"
    DEPTH = "gantry_test_depth", Kind.GAUGE, "1", "Depth", "force"
    WIDTH = "gantry_test_width", Kind.GAUGE, "1", "Width"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """Instruments made by the test go to a provider of its own."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    monkeypatch.setattr(instruments, "_counters", [])
    yield reader
    provider.shutdown()


def values(reader: InMemoryMetricReader) -> dict[tuple[str, ...], float]:
    data = reader.get_metrics_data()
    return {
        (metric.name, *(point.attributes or {}).values()): point.value
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def test_a_metric_knows_its_labels_and_their_values():
    assert Names.STOPS.labels == ("force", "kind")
    assert Names.STOPS.values == {"kind": ("short", "long")}
    assert (Names.STOPS.on_the_page, Names.DEPTH.on_the_page) == (
        "gantry_test_stops_total",
        "gantry_test_depth",
    )


def test_counters_begin_at_zero_for_each_known_value(reader):
    stops = counter(Names.STOPS)
    counter(Names.BARE)
    counter(Names.OTHER)
    forces = ["essex"]
    with known(lambda: [{"force": force} for force in forces]):
        stops.add(3, {"force": "essex", "kind": "long"})
        begin_counters()
        forces.append("kent")
        begin_counters()
    assert values(reader) == {
        ("gantry_test_bare",): 0,
        ("gantry_test_stops", "essex", "long"): 3,
        ("gantry_test_stops", "essex", "short"): 0,
        ("gantry_test_stops", "kent", "long"): 0,
        ("gantry_test_stops", "kent", "short"): 0,
    }


async def test_a_gauge_shows_what_is_computed_now_and_nothing_afterwards(reader):
    depth, width = Gauge(Names.DEPTH), Gauge(Names.WIDTH)
    now, fails = [1.0], False

    async def compute():
        if fails:
            raise ConnectionError
        return {depth: [(now[0], {"force": "essex"})], width: [(7.0, {})]}

    with computing(compute, depth, width):
        assert await asyncio.to_thread(values, reader) == {
            ("gantry_test_depth", "essex"): 1,
            ("gantry_test_width",): 7,
        }
        await asyncio.sleep(0.6)  # no older value is shown than of half a second
        now[0] = 2.0
        assert (await asyncio.to_thread(values, reader))["gantry_test_depth", "essex"] == 2
        await asyncio.sleep(0.6)
        fails = True
        assert await asyncio.to_thread(values, reader) == {}
    assert await asyncio.to_thread(values, reader) == {}


def test_a_total_counts_and_can_disappear(reader):
    counts = {"essex": 2, "kent": 5}
    total = Total(Names.OTHER)
    with total.observing(lambda: [(count, {"force": force}) for force, count in counts.items()]):
        assert values(reader) == {(Names.OTHER, "essex"): 2, (Names.OTHER, "kent"): 5}
        counts["essex"] = 3
        del counts["kent"]
        assert values(reader) == {(Names.OTHER, "essex"): 3}
    assert values(reader) == {}
