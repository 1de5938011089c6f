"""Spans of caller and callee join; failures mark them; an unsampled trace leaves no span."""

from __future__ import annotations

import asyncio
import json
import math
import re
import urllib.request

import grpc
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from chassis.errors import NotFound, Unavailable
from chassis.joint_spans import spans_following
from chassis.settings import TelemetrySettings
from chassis.telemetry import (
    current_traceparent,
    meter,
    metrics_port,
    telemetry,
    tracer,
    untraced,
)

PLATE = "AB12CDE"


def _spans(file) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def spans_file(tmp_path):
    return tmp_path / "spans" / "test.jsonl"


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return answer.read().decode()


async def test_one_trace_joins_caller_and_callee(lab, echo, spans_file, service_name):
    async with telemetry("test", TelemetrySettings(spans_file=spans_file)):
        caller = await lab.caller(await lab.echo(echo))
        with tracer().start_as_current_span("outer"):
            await caller.say("Say")
    outer, client, server = (
        next(span for span in _spans(spans_file) if span["parent_span_id"] == parent)
        for parent in _chain(_spans(spans_file))
    )
    assert outer["name"] == "outer"
    assert client["name"] == server["name"] == f"{service_name}/Say"
    assert len({span["trace_id"] for span in (outer, client, server)}) == 1


def _chain(spans: list[dict]) -> list[str]:
    chain = [""]
    while len(chain) < 3:
        chain.append(next(span["span_id"] for span in spans if span["parent_span_id"] == chain[-1]))
    return chain


async def test_failures_of_ours_are_errors_and_callers_mistakes_are_not(lab, echo, spans_file):
    async with telemetry("test", TelemetrySettings(spans_file=spans_file)):
        caller = await lab.caller(await lab.echo(echo))
        for failure in (NotFound("NONE", "none"), KeyError(PLATE)):
            echo.failure = lambda failure=failure: failure
            with pytest.raises(grpc.aio.AioRpcError):
                await caller.say("Say")
        with pytest.raises(grpc.aio.AioRpcError):
            await caller.say("Abort")
    assert [span["status"] for span in _spans(spans_file)] == ["UNSET", "ERROR", "ERROR"]
    codes = [span["attributes"]["rpc.grpc.status_code"] for span in _spans(spans_file)]
    assert codes == [
        code.value[0]
        for code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)
    ]
    assert PLATE not in spans_file.read_text()


async def test_a_call_that_succeeds_says_so_and_one_for_no_call_begins_no_trace(lab, echo, spans_file):
    async with telemetry("test", TelemetrySettings(spans_file=spans_file)):
        caller = await lab.caller(await lab.echo(echo))
        with untraced():
            await caller.say("Say")
        await caller.say("Say")
    (span,) = _spans(spans_file)
    assert (span["status"], span["attributes"]["rpc.grpc.status_code"]) == ("UNSET", 0)


async def test_streams_and_reflection_have_no_span(lab, echo, spans_file):
    async with telemetry("test", TelemetrySettings(spans_file=spans_file)):
        caller = await lab.caller(await lab.echo(echo))
        _ = [part async for part in caller.listen("Count", b"3")]
    assert _spans(spans_file) == []


async def test_the_decision_not_to_sample_travels(lab, echo, spans_file):
    async with telemetry("test", TelemetrySettings(spans_file=spans_file, traces_per_second=1)):
        caller = await lab.caller(await lab.echo(echo))
        for _ in range(20):
            with tracer().start_as_current_span("outer"):
                await caller.say("Say")
    names = [span["name"] for span in _spans(spans_file)]
    assert 1 <= names.count("outer") <= 2
    assert len(names) == 3 * names.count("outer")


async def test_nothing_is_sampled_at_rate_zero_but_a_sampled_parent_is_followed(lab, echo, spans_file):
    async with telemetry("test", TelemetrySettings(spans_file=spans_file, traces_per_second=0)):
        caller = await lab.caller(await lab.echo(echo))
        await caller.say("Say")
        assert current_traceparent() == ""
        with spans_following("later", ["", f"00-{'1' * 32}-{'2' * 16}-01"]):
            await caller.say("Say")
    spans = _spans(spans_file)
    assert {span["trace_id"] for span in spans} == {"1" * 32}
    assert len(spans) == 3


async def test_work_for_several_traces_has_a_span_in_each(spans_file):
    parents = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 400)]
    unsampled = f"00-{'f' * 32}-{'f' * 16}-00"
    async with telemetry("test", TelemetrySettings(spans_file=spans_file)):
        origins = [unsampled, "junk", parents[0], *parents]
        with spans_following("batch", origins, {"reads": 3}, [{"number": n} for n in range(401)]) as joint:
            assert joint.traceparents[2:4] == [current_traceparent()] * 2
            assert (joint.traceparents[:2], joint.traceparents[-1]) == (["", ""], "")
            joint.set_attribute("done", 1)
            with spans_following("under", joint.traceparents), tracer().start_as_current_span("call"):
                pass
        with spans_following("nothing", [unsampled, "", "junk"]) as nothing:
            assert current_traceparent() == ""
            assert (nothing.others, nothing.traceparents) == ([], ["", "", ""])
            with tracer().start_as_current_span("under nothing"):
                pass
    spans = _spans(spans_file)
    batch = {span["trace_id"]: span for span in spans if span["name"] == "batch"}
    assert list(batch) == [f"{number:032x}" for number in range(1, 128)]
    assert [span["parent_span_id"] for span in batch.values()] == [f"{n:016x}" for n in range(1, 128)]
    main = batch[f"{1:032x}"]
    assert [link["span_id"] for link in main["links"]] == [f"{number:016x}" for number in range(2, 128)]
    others = [span for span in batch.values() if span is not main]
    assert all([link["span_id"] for link in span["links"]] == [main["span_id"]] for span in others)
    assert {(span["start_ns"] >= main["start_ns"], span["end_ns"]) for span in others} == {
        (True, main["end_ns"])
    }
    assert others[0]["attributes"] == {"reads": 3, "number": 4, "done": 1, "shared_by": 127}
    under = {span["trace_id"]: span["parent_span_id"] for span in spans if span["name"] == "under"}
    assert under == {trace: span["span_id"] for trace, span in batch.items()}
    (call,) = [span for span in spans if span["name"] not in {"batch", "under"}]
    assert (call["name"], call["trace_id"]) == ("call", main["trace_id"])


async def test_work_that_fails_has_failed_in_each_trace(spans_file):
    parents = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2)]
    async with telemetry("test", TelemetrySettings(spans_file=spans_file)):
        with pytest.raises(ValueError, match=PLATE), spans_following("batch", parents):
            raise ValueError(PLATE)
    assert [span["status"] for span in _spans(spans_file)] == ["ERROR", "ERROR"]
    assert PLATE not in spans_file.read_text()


async def test_an_exception_leaves_its_type_only(spans_file):
    async with telemetry("test", TelemetrySettings(spans_file=spans_file)):
        with pytest.raises(KeyError), tracer().start_as_current_span("work"):
            raise KeyError(PLATE)
    assert _spans(spans_file)[0]["status"] == "ERROR"
    assert PLATE not in spans_file.read_text()


async def test_metrics_can_be_scraped_and_counted_per_failure(lab, echo):
    counter = meter().create_counter("gantry_test_things")
    echo.failure = lambda: NotFound("NONE", "none")
    async with telemetry("test", TelemetrySettings(metrics_listen="127.0.0.1:0")):
        server = await lab.echo(echo)
        assert server.ports["metrics"] == metrics_port()
        counter.add(2)
        with pytest.raises(grpc.aio.AioRpcError):
            await (await lab.caller(server)).say("Say")
        page = await asyncio.to_thread(_scrape, metrics_port())
    assert "gantry_test_things_total 2.0" in page
    assert 'reason="NONE",status="NOT_FOUND"' in page
    assert "gantry_rpc_seconds_bucket" in page
    assert metrics_port() is None


def _buckets(page: str, name: str) -> dict[float, float]:
    found = re.findall(rf'^{name}_bucket\{{.*le="([^"]+)".*\}} (\S+)$', page, re.MULTILINE)
    return {float(bound): float(count) for bound, count in found}


async def test_histograms_tell_milliseconds_apart_and_single_reads_from_thousands():
    seconds = meter().create_histogram("gantry_test_wait_seconds", "s")
    reads = meter().create_histogram("gantry_test_group_reads", "1")
    async with telemetry("test", TelemetrySettings(metrics_listen="127.0.0.1:0")):
        for value in (0.0009, 0.003, 0.04, 0.09, 45, 7200):
            seconds.record(value)
        for value in (1, 3_000):
            reads.record(value)
        page = await asyncio.to_thread(_scrape, metrics_port())
    waits = _buckets(page, "gantry_test_wait_seconds")
    assert [waits[bound] for bound in (0.001, 0.0025, 0.005, 0.05, 0.1, 30, 60, 3600, math.inf)] == [
        *(1, 1, 2, 3, 4, 4, 5, 5, 6)
    ]
    groups = _buckets(page, "gantry_test_group_reads")
    assert [groups[bound] for bound in (1, 2, 2_500, 5_000, math.inf)] == [1, 1, 1, 2, 2]


async def test_the_time_of_a_call_falls_into_a_bucket_of_milliseconds(lab, echo):
    async with telemetry("test", TelemetrySettings(metrics_listen="127.0.0.1:0")):
        server = await lab.echo(echo)
        await (await lab.caller(server)).say("Say")
        page = await asyncio.to_thread(_scrape, metrics_port())
    bounds = sorted(_buckets(page, "gantry_rpc_seconds"))
    assert bounds[0] == 0.001
    assert 60 in bounds


async def test_a_retried_call_is_one_client_span(lab, echo, spans_file):
    echo.failure, echo.failures_left = lambda: Unavailable("AWAY", "away"), 1
    async with telemetry("test", TelemetrySettings(spans_file=spans_file)):
        caller = await lab.caller(await lab.echo(echo))
        with tracer().start_as_current_span("outer"):
            await caller.say("Say")
    statuses = sorted(span["status"] for span in _spans(spans_file))
    assert statuses == ["ERROR", "UNSET", "UNSET", "UNSET"]


def _open_metrics(port: int) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        return str(answer.read().decode())


async def test_openmetrics_names_a_trace_beside_a_bucket(lab, echo, spans_file):
    seconds = meter().create_histogram("gantry_test_traced_seconds", "s")
    settings = TelemetrySettings(spans_file=spans_file, metrics_listen="127.0.0.1:0", traces_per_second=1)
    async with telemetry("test", settings):
        await (await lab.caller(await lab.echo(echo))).say("Say")
        parent = f"00-{'a' * 32}-{'b' * 16}-01"
        with spans_following("work", [parent]) as joint:
            seconds.record(0.004, {"force": "essex"}, joint.context)
        with spans_following("work", [parent[:-1] + "0"]) as joint:
            seconds.record(0.02, {"force": "essex"}, joint.context)
        text = await asyncio.to_thread(_scrape, metrics_port())
        await asyncio.to_thread(_open_metrics, metrics_port())
        # Also for whoever reads the page later.
        page = await asyncio.to_thread(_open_metrics, metrics_port())
    spans = {span["name"].rpartition("/")[2]: span for span in _spans(spans_file)}
    work, call = spans["work"], spans["Say"]
    assert "trace_id" not in text
    families = {family.name: family for family in text_string_to_metric_families(page)}
    exemplars = {
        sample.labels["le"]: (sample.exemplar.labels, sample.exemplar.value)
        for sample in families["gantry_test_traced_seconds"].samples
        if sample.exemplar
    }
    assert exemplars == {"0.005": ({"trace_id": "a" * 32, "span_id": work["span_id"]}, 0.004)}
    of_calls = [sample.exemplar for sample in families["gantry_rpc_seconds"].samples if sample.exemplar]
    assert call["trace_id"] in {exemplar.labels["trace_id"] for exemplar in of_calls}
