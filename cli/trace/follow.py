"""Which spans tell of one read: what led to its append, and what followed from it."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cli.trace.spans import Span

_POSITION_KEYS: Final = ("gantry.position", "position")


@dataclass(frozen=True)
class Hop:
    """One line of the story. `depth` is its nesting; `shared` counts other spans it links to."""

    span: Span
    depth: int
    shared: int = 0


def follow(spans: Mapping[str, Span], append: str, position: int) -> list[Hop]:
    """The hops of a read, in the order of their start.

    `append` is the span that stored it. Backward, an append serves several batches: the one it is a child of
    stands for them. Forward, everything that is a child of it or links to it counts,
    but for alerts of other reads.
    """
    if append not in spans:
        return []
    before = _ancestors(spans, append)
    after = _descendants(spans, append, position)
    depth = _depths(before, append, after)
    chosen = sorted([*before, *after], key=lambda span: (span.start_ns, depth[span.span_id], -span.end_ns))
    return [Hop(span, depth[span.span_id], _shared(span)) for span in chosen]


def _ancestors(spans: Mapping[str, Span], start: str) -> list[Span]:
    found: dict[str, Span] = {}
    current = start
    while current in spans and current not in found:
        span = found[current] = spans[current]
        current = span.parent if span.parent in spans else next(iter(span.links), "")
    return list(found.values())


def _descendants(spans: Mapping[str, Span], start: str, position: int) -> list[Span]:
    followers: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans.values():
        for cause in {span.parent, *span.links}:
            followers[cause].append(span)
    found: dict[str, Span] = {}
    queue = deque([start])
    while queue:
        for span in followers[queue.popleft()]:
            if span.span_id not in found and span.span_id != start and _concerns(span, position):
                found[span.span_id] = span
                queue.append(span.span_id)
    return list(found.values())


def _concerns(span: Span, position: int) -> bool:
    told = next((span.attributes[key] for key in _POSITION_KEYS if key in span.attributes), None)
    return told is None or str(told) == str(position)


def _depths(before: list[Span], append: str, after: Iterable[Span]) -> dict[str, int]:
    depth = {span.span_id: level for level, span in enumerate(reversed(before))}
    for span in sorted(after, key=lambda one: one.start_ns):
        causes = [cause for cause in (span.parent, *span.links) if cause in depth]
        depth[span.span_id] = depth[causes[0]] + 1 if causes else depth[append] + 1
    return depth


def _shared(span: Span) -> int:
    return len(set(span.links) - {span.parent})
