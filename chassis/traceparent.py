"""W3C trace context as text: the form in which a trace travels through headers, rows and messages."""

from __future__ import annotations

import re
from typing import Final

from opentelemetry.trace import SpanContext, TraceFlags

HEADER: Final = "traceparent"
_FORM: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


def parse(traceparent: str) -> SpanContext | None:
    """The remote span a traceparent names, or None when it is empty or malformed."""
    match = _FORM.fullmatch(traceparent) if traceparent else None
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    # Of the flags only "sampled" is ours to pass on.
    sampled = TraceFlags(flags & TraceFlags.SAMPLED)
    found = SpanContext(trace_id, span_id, is_remote=True, trace_flags=sampled)
    return found if found.is_valid else None


def render(span: SpanContext) -> str:
    """The traceparent of a span."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags & TraceFlags.SAMPLED:02x}"
