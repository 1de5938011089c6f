"""Sampling, trace context as text, the span file, names."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext, TraceFlags, get_current_span

from chassis import traceparent as w3c
from chassis.sampler import BudgetSampler, head_sampler
from chassis.spanfile import SpanFile
from chassis.telemetry import context_from, current_traceparent, link_from
from chassis.tracing import UNSAMPLED, QuietTracer, TraceBudget


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("rate", [0, 0.5, 1, 50])
def test_a_budget_grants_its_rate_and_no_more(rate):
    clock = Clock()
    budget = TraceBudget(rate, clock)
    taken = 0
    for tick in range(100_000):
        clock.now = tick / 1000
        taken += budget.take()
    assert taken <= rate * 100 + max(rate, 1)
    assert taken >= rate * 100 * 0.99


def test_an_idle_hour_saves_up_one_second_only():
    clock = Clock()
    budget = TraceBudget(5, clock)
    clock.now = 3600
    assert sum(budget.take() for _ in range(100)) == 5


def test_work_that_nobody_asked_for_leaves_a_share_to_what_was_asked_for():
    clock = Clock()
    budget = TraceBudget(10, clock)
    assert sum(budget.take(0.5) for _ in range(100)) == 6
    assert sum(budget.take() for _ in range(100)) == 4
    clock.now = 0.1
    assert not budget.take(0.5)
    assert budget.take()


@given(trace_id=st.integers(1, 2**128 - 1), span_id=st.integers(1, 2**64 - 1), sampled=st.booleans())
def test_a_traceparent_survives_its_round_trip(trace_id, span_id, sampled):
    sent = SpanContext(trace_id, span_id, True, TraceFlags(int(sampled)))
    assert w3c.parse(w3c.render(sent)) == sent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "junk",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"ff-{'1' * 32}-{'1' * 16}-01",
        f"00-{'A' * 32}-{'1' * 16}-01",
        f"00-{'1' * 31}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'1' * 16}-01{' ' * 300}",
        f"00-{'１' * 32}-{'1' * 16}-01",
    ],
)
def test_a_malformed_traceparent_is_nothing(text):
    assert w3c.parse(text) is None
    assert context_from(text) is None
    assert link_from(text) is None


def test_a_later_version_of_the_header_is_understood():
    assert w3c.parse(f"01-{'1' * 32}-{'1' * 16}-03-more") is not None


def test_a_context_and_a_link_name_the_same_span():
    text = f"00-{'a' * 32}-{'b' * 16}-01"
    link = link_from(text)
    assert link is not None
    assert get_current_span(context_from(text)).get_span_context() == link.context


def test_without_telemetry_nothing_is_current():
    assert current_traceparent() == ""


@pytest.mark.parametrize(
    ("flags", "unsampled"), [("00", True), ("02", True), ("01", False), ("03", False), ("0g", False)]
)
def test_an_unsampled_trace_is_recognised_by_its_flags(flags, unsampled):
    assert w3c.is_unsampled(f"00-{'1' * 32}-{'2' * 16}-{flags}") is unsampled


@pytest.mark.parametrize("text", ["", "0", "00-0", "junk that ends with 0"])
def test_what_is_no_traceparent_is_not_taken_for_an_unsampled_one(text):
    assert not w3c.is_unsampled(text)


def test_a_span_without_ids_has_no_traceparent():
    assert w3c.render(SpanContext(0, 0, False)) == ""


def test_the_sampler_follows_parents_and_takes_new_traces_from_the_budget():
    budget = TraceBudget(2, Clock())
    tracer = TracerProvider(head_sampler(budget), shutdown_on_exit=False).get_tracer("test")
    roots = [tracer.start_span("root", Context()) for _ in range(5)]
    assert [span.is_recording() for span in roots] == [True, True, False, False, False]
    for sampled in (True, False):
        parent = context_from(f"00-{'1' * 32}-{'2' * 16}-0{int(sampled)}")
        assert tracer.start_span("child", parent).is_recording() is sampled
    assert "BudgetSampler" in BudgetSampler(budget).get_description()


def test_an_unsampled_span_is_one_constant():
    tracer = QuietTracer()
    assert tracer.start_span("a") is UNSAMPLED
    with tracer.start_as_current_span("a"):
        assert tracer.start_span("b") is UNSAMPLED


def _span(name: str):
    span = TracerProvider().get_tracer("test").start_span(name, attributes={"count": 1, "codes": ["a", "b"]})
    span.end()
    return span


def test_the_span_file_turns_over_by_size(tmp_path):
    file = SpanFile("store", tmp_path / "spans.jsonl", max_bytes=1000)
    for number in range(20):
        file.export([_span(f"span {number}")])
    old, new = tmp_path / "spans.jsonl.1", tmp_path / "spans.jsonl"
    assert old.stat().st_size < 1400
    assert not new.exists() or new.stat().st_size < 1000
    record = json.loads(old.read_text().splitlines()[0])
    assert record["service"] == "store"
    assert record["attributes"] == {"count": 1, "codes": ["a", "b"]}
    assert record["end_ns"] >= record["start_ns"]
    assert record["parent_span_id"] == ""


def test_a_span_file_that_cannot_be_written_is_a_failure_not_a_crash(tmp_path):
    folder = tmp_path / "spans.jsonl"
    folder.mkdir()
    assert SpanFile("store", folder).export([_span("a")]).name == "FAILURE"
