"""Spans: sampled at the head, cheap when not sampled, and without the texts of exceptions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    set_span_in_context,
    use_span,
)
from opentelemetry.util.types import Attributes

# One constant stands for every span that is not sampled, so that the common case allocates nothing. Its ids
# are never exported nor logged; they only carry the decision to the next process.
UNSAMPLED: Final = NonRecordingSpan(
    SpanContext(random.getrandbits(128) | 1, random.getrandbits(64) | 1, False, TraceFlags(0))
)


def context_of(span: Span) -> Context | None:
    """The context with which a measurement is recorded that belongs to a span; None for one not sampled.

    A histogram then names the trace beside the measurement, as an exemplar.
    """
    return set_span_in_context(span, Context()) if span.get_span_context().trace_flags.sampled else None


class TraceBudget:
    """At most `rate` new traces a second. An idle time saves up the traces of at most one second."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most = max(rate, 1.0) if rate > 0 else 0.0
        self._left = self._most
        self._clock = clock
        self._at = clock()

    @property
    def rate(self) -> float:
        """New traces a second."""
        return self._rate

    def has_one(self, share: float = 1.0) -> bool:
        """Whether one more trace may start now. Work may use up only its `share` of what is saved up."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left >= max(1.0, self._most * (1.0 - share))

    def take(self, share: float = 1.0) -> bool:
        """Start one more trace if one may start now, see `has_one`. Returns whether it did."""
        if not self.has_one(share):
            return False
        self._left -= 1.0
        return True


class QuietTracer:
    """Starts spans as OpenTelemetry's tracers do. Of an exception it records only the type.

    The texts and stack traces of exceptions could quote a read. A trace that is not sampled never reaches the
    SDK, where a span that records nothing costs seven times as much.
    """

    def __init__(self) -> None:
        self._tracer: Tracer = NoOpTracer()
        self._budget = TraceBudget(0)
        self._asked = TraceBudget(0)

    @contextmanager
    def recording(self, tracer: Tracer, budget: TraceBudget) -> Iterator[None]:
        """Start spans with `tracer`, whose sampler takes new traces from `budget`, inside the block."""
        before = self._tracer, self._budget, self._asked
        self._tracer, self._budget, self._asked = tracer, budget, TraceBudget(budget.rate)
        try:
            yield
        finally:
            self._tracer, self._budget, self._asked = before

    def may_begin(self) -> bool:
        """Whether a new trace would be sampled now."""
        return self._budget.has_one()

    def take_asked(self) -> bool:
        """Whether a trace that a stranger asks for is followed. As many are as may begin here."""
        return self._asked.take()

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
    ) -> Span:
        """Start a span, or return one that records nothing when its trace is not sampled."""
        parent = get_current_span(context)
        origin = parent.get_span_context()
        if origin.is_valid and not origin.trace_flags.sampled:
            return parent
        if not origin.is_valid and not self._budget.has_one():
            return UNSAMPLED
        return self._tracer.start_span(
            name,
            context,
            kind,
            attributes,
            links,
            record_exception=False,
            set_status_on_exception=False,
        )

    @contextmanager
    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
    ) -> Iterator[Span]:
        """Start a span and make it the current one inside the block, at whose end it ends."""
        span = self.start_span(name, context, kind, attributes, links)
        # A span that records nothing may be the parent itself, which has not ended.
        with use_span(span, span.is_recording(), record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise


_tracer: Final = QuietTracer()


def tracer() -> QuietTracer:
    """The tracer of this process; may be kept, follows `chassis.telemetry`."""
    return _tracer
