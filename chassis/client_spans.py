"""Client spans of unary calls, and the trace that goes with them.

Imported with the first call of a process that has spans at all: the command has none, and starts sooner.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span

from chassis import traceparent as w3c
from chassis.tracing import tracer

Call = Callable[[str | None], Awaitable[Any]]
"""Makes the call with a traceparent, or without one."""


async def traced(details: grpc.aio.ClientCallDetails, call: Call) -> Any:
    """Make the call as a part of the current trace, with a span of its own when that is sampled."""
    current = get_current_span().get_span_context()
    if not current.is_valid:
        return await call(None)
    if not current.trace_flags.sampled:
        return await call(w3c.render(current))
    with tracer().start_as_current_span(_method_of(details), kind=SpanKind.CLIENT) as span:
        called = await call(w3c.render(span.get_span_context()))
        _tell_status(span, await called.code())
        return called


def _method_of(details: grpc.aio.ClientCallDetails) -> str:
    method = details.method
    return (method.decode() if isinstance(method, bytes) else method).removeprefix("/")


def _tell_status(span: Span, code: grpc.StatusCode) -> None:
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if code is not grpc.StatusCode.OK:
        span.set_status(Status(StatusCode.ERROR, code.name))
