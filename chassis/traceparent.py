"""W3C trace context as text: how a trace travels through headers, rows and messages.

The usual form is read and written here, which each span of a trace needs; OpenTelemetry's propagator reads
other versions. This module prevents it from logging values that clients send, and detects cheaply that a
trace is not sampled.
"""

from __future__ import annotations

import re
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

HEADER: Final = "traceparent"

_LONGEST: Final = 256
_USUAL: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_USUAL_LENGTH: Final = len("00-" + 32 * "0" + "-" + 16 * "0" + "-00")
_FLAGS_WITHOUT_SAMPLED: Final = frozenset("02468ace")
_EMPTY: Final = Context()

_propagator: Final = TraceContextTextMapPropagator()


def parse(traceparent: str) -> SpanContext | None:
    """The remote span that a traceparent names, or None when it is empty or malformed."""
    if not traceparent or len(traceparent) > _LONGEST:
        return None
    if usual := _USUAL.fullmatch(traceparent):
        flags = TraceFlags(int(usual[3], 16))
        named = SpanContext(int(usual[1], 16), int(usual[2], 16), is_remote=True, trace_flags=flags)
        return named if named.is_valid else None
    span = get_current_span(_propagator.extract({HEADER: traceparent}, _EMPTY)).get_span_context()
    return span if span.is_valid else None


def context_of(remote: SpanContext) -> Context:
    """A context whose current span is the one named."""
    return set_span_in_context(NonRecordingSpan(remote), _EMPTY)


def render(span: SpanContext) -> str:
    """The traceparent of a span; "" for one without ids."""
    if not span.is_valid:
        return ""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def is_unsampled(traceparent: str) -> bool:
    """Whether a traceparent of the usual form says that its trace is not sampled."""
    return len(traceparent) == _USUAL_LENGTH and traceparent[-1] in _FLAGS_WITHOUT_SAMPLED
