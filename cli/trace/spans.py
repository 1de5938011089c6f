"""Spans as the services wrote them: files of JSON lines in the suite's spans folder."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_ROUNDS: Final = 6
_LENGTH: Final = 55


@dataclass(frozen=True)
class Span:
    """One piece of work by one service. Times are nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent: str
    links: tuple[str, ...]
    linked_traces: tuple[str, ...]
    service: str
    name: str
    start_ns: int
    end_ns: int
    status: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.end_ns - self.start_ns) / 1e6


@dataclass(frozen=True)
class TraceParent:
    """A W3C traceparent, taken apart."""

    trace_id: str
    span_id: str
    sampled: bool


def parse_traceparent(text: str) -> TraceParent | None:
    """The parts of a W3C traceparent, or None when it is none."""
    parts = text.split("-")
    if len(text) < _LENGTH or len(parts) < 4 or [len(part) for part in parts[1:4]] != [32, 16, 2]:
        return None
    try:
        flags = int(parts[3], 16)
    except ValueError:
        return None
    return TraceParent(parts[1], parts[2], bool(flags & 1))


def read_spans(folder: Path, trace_ids: Iterable[str]) -> dict[str, Span]:
    """All spans of these traces and of every trace linked with them, by span id.

    Files are only searched for the traces in question: most lines are passed over without being parsed.
    """
    wanted, known = set(trace_ids), dict[str, Span]()
    for _ in range(_ROUNDS):
        before = set(wanted)
        for span in _spans_with(folder, wanted):
            known[span.span_id] = span
        wanted |= {span.trace_id for span in known.values()}
        wanted |= {linked for span in known.values() for linked in span.linked_traces}
        if wanted == before:
            break
    return known


def _spans_with(folder: Path, trace_ids: Iterable[str]) -> Iterator[Span]:
    needles = [trace_id.encode() for trace_id in trace_ids]
    for path in sorted(folder.glob("*.jsonl*")):
        try:
            with path.open("rb") as file:
                yield from (
                    span
                    for line in file
                    if any(needle in line for needle in needles) and (span := _parsed(line)) is not None
                )
        except FileNotFoundError:
            continue  # a service turned the file over while we looked


def _parsed(line: bytes) -> Span | None:
    try:
        entry = json.loads(line)
        links = [(link["trace_id"], link["span_id"]) for link in entry.get("links", ())]
        return Span(
            trace_id=entry["trace_id"],
            span_id=entry["span_id"],
            parent=entry.get("parent_span_id") or "",
            links=tuple(span for _, span in links),
            linked_traces=tuple(trace for trace, _ in links),
            service=entry["service"],
            name=entry["name"],
            start_ns=int(entry["start_ns"]),
            end_ns=int(entry["end_ns"]),
            status=str(entry.get("status", "")),
            attributes=entry.get("attributes") or {},
        )
    except (ValueError, KeyError, TypeError):
        return None  # the last line of a file that is being written
