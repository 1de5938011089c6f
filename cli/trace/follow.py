"""Arranges the spans of a trace as the way of one read, or as the tree that they are."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cli.trace.spans import Span

_ALERT: Final = "match.alert"
_SHARED_BY: Final = "shared_by"


@dataclass(frozen=True)
class Hop:
    """One line of the story. `depth` is its nesting, `remark` what a person should know of it."""

    span: Span
    depth: int
    remark: str = ""


def follow(spans: Mapping[str, Span], append: str, position: int) -> list[Hop]:
    """The hops of a read: each below what caused it, siblings in the order of their start.

    `append` is the span that stored it. Everything above and below it counts, but for other reads' alerts.
    """
    if append not in spans:
        return []
    causes = _causes(spans, append)
    effects = _effects(span for span in spans.values() if _concerns(span, position))
    hops = [Hop(span, depth, _remark(span)) for depth, span in enumerate(causes)]
    return [*hops, *_below(spans[append], len(causes), effects)]


def tree(spans: Mapping[str, Span]) -> list[Hop]:
    """All spans: each below its parent, siblings in the order of their start."""
    effects = _effects(spans.values())
    roots = sorted((span for span in spans.values() if span.parent not in spans), key=_start)
    return [hop for root in roots for hop in (Hop(root, 0, _remark(root)), *_below(root, 1, effects))]


def _causes(spans: Mapping[str, Span], last: str) -> list[Span]:
    """The span and its causes, first cause first."""
    found: dict[str, Span] = {}
    current = last
    while current in spans and current not in found:
        span = found[current] = spans[current]
        current = span.parent
    return list(reversed(found.values()))


def _effects(spans: Iterable[Span]) -> Mapping[str, Sequence[Span]]:
    """By span id, the spans below it in the order of their start."""
    effects: defaultdict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=_start):
        if span.parent != span.span_id:
            effects[span.parent].append(span)
    return effects


def _below(span: Span, depth: int, effects: Mapping[str, Sequence[Span]]) -> Iterator[Hop]:
    for effect in effects.get(span.span_id, ()):
        yield Hop(effect, depth, _remark(effect))
        yield from _below(effect, depth + 1, effects)


def _start(span: Span) -> int:
    return span.start_ns


def _concerns(span: Span, position: int) -> bool:
    told = _positions(span)
    return told is None or position in told


def _positions(span: Span) -> Sequence[int] | None:
    """The reads that a span is about; None when it does not say."""
    if "position" in span.attributes:
        return [int(span.attributes["position"])]
    several: Sequence[int] | None = span.attributes.get("positions")
    return several


def _remark(span: Span) -> str:
    shared_by = int(span.attributes.get(_SHARED_BY, 1))
    parts = ["failed"] if span.status == "ERROR" else []
    if destination := span.attributes.get("destination"):
        parts.append(f"to {destination}")
    if shared_by > 1:
        parts.append(f"serves {shared_by - 1} more")
    if span.name == _ALERT and _positions(span) is None:
        parts.append("of a read of the same batch")
    return ", ".join(parts)
