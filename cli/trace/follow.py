"""Finds the spans of one read: those that led to its append, and those that followed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cli.trace.spans import Span

_ALERT: Final = "match.alert"


@dataclass(frozen=True)
class Hop:
    """One line of the story. `depth` is its nesting, `remark` what a person should know of it."""

    span: Span
    depth: int
    remark: str = ""


def follow(spans: Mapping[str, Span], append: str, position: int) -> list[Hop]:
    """The hops of a read: each below what caused it, siblings in the order of their start.

    `append` is the span that stored it. Backward, an append serves several batches: the one it is a child of
    stands for them. Forward, what is a child of it or links to it counts, but for other reads' alerts.
    """
    if append not in spans:
        return []
    causes = _causes(spans, append)
    effects = _effects(spans, position)
    hops = [Hop(span, depth, _remark(span)) for depth, span in enumerate(causes)]
    seen = {span.span_id for span in causes}
    hops += _below(spans[append], len(causes), effects, seen)
    return hops


def _causes(spans: Mapping[str, Span], last: str) -> list[Span]:
    """The span and its causes, first cause first."""
    found: dict[str, Span] = {}
    current = last
    while current in spans and current not in found:
        span = found[current] = spans[current]
        current = span.parent if span.parent in spans else next(iter(span.links), "")
    return list(reversed(found.values()))


def _effects(spans: Mapping[str, Span], position: int) -> Mapping[str, Sequence[Span]]:
    """By span id, the spans that it caused and that concern the read, in the order of their start."""
    effects: defaultdict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans.values(), key=lambda one: one.start_ns):
        if _concerns(span, position):
            for cause in dict.fromkeys((span.parent, *span.links)):
                effects[cause].append(span)
    return effects


def _below(span: Span, depth: int, effects: Mapping[str, Sequence[Span]], seen: set[str]) -> Iterator[Hop]:
    for effect in effects.get(span.span_id, ()):
        if effect.span_id not in seen:
            seen.add(effect.span_id)
            yield Hop(effect, depth, _remark(effect))
            yield from _below(effect, depth + 1, effects, seen)


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
    others = len(set(span.links) - {span.parent})
    parts = ["failed"] if span.status == "ERROR" else []
    if destination := span.attributes.get("destination"):
        parts.append(f"to {destination}")
    if others:
        parts.append(f"serves {others} more")
    if span.name == _ALERT and _positions(span) is None:
        parts.append("of a read of the same append")
    return ", ".join(parts)
