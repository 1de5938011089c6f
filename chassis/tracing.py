"""Spans: sampled at the head, cheap when not sampled, free of anything an exception might quote."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    get_current_span,
    use_span,
)
from opentelemetry.util._decorator import _agnosticcontextmanager
from opentelemetry.util.types import Attributes

# One constant stands for "decided: not sampled", so that the common case allocates nothing. Its ids are
# never exported nor logged; they only carry the decision to the next process.
UNSAMPLED: Final = NonRecordingSpan(
    SpanContext(random.getrandbits(128) | 1, random.getrandbits(64) | 1, False, TraceFlags(0))
)


class TraceBudget:
    """At most `rate` new traces a second; an idle second saves up for no more than one second's worth."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most = max(rate, 1.0) if rate > 0 else 0.0
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        """Whether one more trace may start now."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class HeadSamplingTracer(Tracer):
    """Decides before the SDK is touched: a parent's decision is followed, a new trace needs budget.

    Exceptions leave only their type on a span: their texts and stack traces could quote a read.
    """

    def __init__(self) -> None:
        self.recorder: Tracer = NoOpTracer()
        self.budget = TraceBudget(0)

    def start_span(  # noqa: PLR0917 - the API's signature
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = False,  # noqa: ARG002 - never recorded
        set_status_on_exception: bool = False,  # noqa: ARG002 - the type alone
    ) -> Span:
        """Start a span, or return one that records nothing when its trace is not sampled."""
        parent = get_current_span(context)
        origin = parent.get_span_context()
        if origin.is_valid and not origin.trace_flags.sampled:
            return parent
        if not origin.is_valid and not self.budget.take():
            return UNSAMPLED
        return self.recorder.start_span(name, context, kind, attributes, links, start_time, False, False)

    @_agnosticcontextmanager
    def start_as_current_span(  # noqa: PLR0917 - the API's signature
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = False,  # noqa: ARG002 - never recorded
        set_status_on_exception: bool = True,  # noqa: ARG002 - the type alone
        end_on_exit: bool = True,
    ) -> Iterator[Span]:
        """Start a span and make it the current one inside the block."""
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with use_span(span, end_on_exit and span.is_recording(), False, False):
            try:
                yield span
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise


_tracer: Final = HeadSamplingTracer()


def tracer() -> HeadSamplingTracer:
    """The tracer for the spans of `chassis.names`; may be kept, follows `chassis.telemetry`."""
    return _tracer
