"""Spans of work that is done once for several traces: each of the traces gets a span of its own.

So whoever opens one of them sees the whole way of its batch, however often batches were merged. The spans
begin and end together, and links lead from one to the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode, use_span
from opentelemetry.util.types import AttributeValue

from chassis import traceparent as w3c
from chassis.tracing import UNSAMPLED, context_of, tracer

MOST_SPANS: Final = 128
"""Most spans of one work. Further traces end before it."""
SHARED_BY: Final = "shared_by"
"""The attribute of a span whose work was done for several traces: for how many."""

Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class JointSpans:
    """The spans of one work, one for each origin. The first sampled one is the current span."""

    spans: Sequence[Span] = ()
    traceparents: Sequence[str] = ()
    """In the order of the given origins: the traceparent of each one's span; "" where it has none."""

    @property
    def others(self) -> Sequence[str]:
        """The traceparents of the spans beside the current one."""
        return [w3c.render(span.get_span_context()) for span in self.spans[1:]]

    @property
    def context(self) -> Context | None:
        """The context for a measurement of the work, see `chassis.tracing.context_of`."""
        return context_of(self.spans[0]) if self.spans else None

    def set_attribute(self, name: str, value: AttributeValue) -> None:
        """Set an attribute of all spans."""
        for span in self.spans:
            span.set_attribute(name, value)


@contextmanager
def spans_following(
    name: str,
    traceparents: Sequence[str],
    attributes: Attributes | None = None,
    own: Sequence[Attributes] = (),
) -> Iterator[JointSpans]:
    """Spans for work that belongs to several traces: a child of each sampled origin, at most 128.

    The first is the current span; it links to the other origins, and the other spans link to it. `attributes`
    are those of all spans; `own` has those of each origin's. When none is sampled, nothing is recorded,
    neither here nor under it.
    """
    # Most work belongs to no trace that is sampled. This test needs no parsing.
    origins = _sampled(traceparents) if any(traceparents) else {}
    if not origins:
        with use_span(UNSAMPLED, end_on_exit=False):
            yield JointSpans((), [""] * len(traceparents))
        return
    made = _begin(name, origins, attributes or {}, dict(zip(traceparents, own, strict=False)))
    spans = list(made.values())
    told = {text: w3c.render(span.get_span_context()) for text, span in made.items()}
    joint = JointSpans(spans, [told.get(text, "") for text in traceparents])
    try:
        with use_span(spans[0], end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield joint
    except Exception as error:
        _fail(spans, error)
        raise
    finally:
        now = time.time_ns()
        for span in spans:
            span.end(now)


def _sampled(traceparents: Sequence[str]) -> dict[str, SpanContext]:
    """The sampled origins by text, each once."""
    texts = [text for text in dict.fromkeys(traceparents) if text and not w3c.is_unsampled(text)]
    parsed = {text: w3c.parse(text) for text in texts[:MOST_SPANS]}
    return {text: span for text, span in parsed.items() if span is not None and span.trace_flags.sampled}


def _begin(
    name: str, origins: Mapping[str, SpanContext], attributes: Attributes, own: Mapping[str, Attributes]
) -> dict[str, Span]:
    first, *others = origins.values()
    links = [Link(origin) for origin in others]
    shared = {SHARED_BY: len(origins)} if others else {}
    spans: dict[str, Span] = {}
    for text, origin in origins.items():
        about = {**attributes, **own.get(text, {}), **shared}
        span = spans[text] = tracer().start_span(name, w3c.context_of(origin), attributes=about, links=links)
        if origin is first and others:
            links = [Link(span.get_span_context())]
    return spans


def _fail(spans: Sequence[Span], error: Exception) -> None:
    for span in spans:
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
