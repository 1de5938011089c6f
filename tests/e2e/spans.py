"""The spans that the processes wrote."""

import json
import secrets
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from suite.suite import Suite

SpanKey = tuple[str, str]
"""Trace id and span id."""


@dataclass(frozen=True)
class Span:
    """A span of a file."""

    service: str
    name: str
    key: SpanKey
    parent: SpanKey | None
    links: tuple[SpanKey, ...]
    status: str


def new_traceparent(*, sampled: bool = True) -> tuple[str, SpanKey]:
    """A W3C traceparent of a span of our own, and its key."""
    key = secrets.token_hex(16), secrets.token_hex(8)
    return f"00-{key[0]}-{key[1]}-{'01' if sampled else '00'}", key


def key_of(traceparent: str) -> SpanKey:
    """The key of the span that a traceparent names."""
    _, trace, span, _ = traceparent.split("-")
    return trace, span


def all_spans(suite: Suite) -> list[Span]:
    """Every span that is in the files now."""
    found = []
    for path in sorted(suite.layout.spans.iterdir()):
        # The last line may be half written.
        found += [_span(line) for line in path.read_text().split("\n")[:-1]]
    return found


def followers(spans: Iterable[Span], root: SpanKey) -> dict[SpanKey, list[Span]]:
    """The tree below a span, as any tool shows its trace: for each span in it, the path to it."""
    caused: dict[SpanKey, list[Span]] = defaultdict(list)
    for span in spans:
        if span.parent is not None:
            caused[span.parent].append(span)
    ways: dict[SpanKey, list[Span]] = {}
    waiting = deque([(root, list[Span]())])
    while waiting:
        key, way = waiting.popleft()
        for span in caused.get(key, ()):
            if span.key not in ways:
                ways[span.key] = [*way, span]
                waiting.append((span.key, ways[span.key]))
    return ways


def _span(line: str) -> Span:
    told = json.loads(line)
    trace, parent = told["trace_id"], told["parent_span_id"]
    return Span(
        service=told["service"],
        name=told["name"],
        key=(trace, told["span_id"]),
        parent=(trace, parent) if parent else None,
        links=tuple((link["trace_id"], link["span_id"]) for link in told["links"]),
        status=told["status"],
    )
