"""Spans as the services wrote them: files of JSON lines in the suite's spans folder."""

import json
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_LENGTH: Final = 55


@dataclass(frozen=True)
class Span:
    """One piece of work by one service. Times are nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent: str
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


def read_spans(folder: Path, trace_id: str) -> dict[str, Span]:
    """All spans of a trace that are in the files of a folder, by span id.

    Files are only searched for the trace: other lines are passed over without being parsed.
    """
    return {span.span_id: span for span in _spans_with(folder, trace_id) if span.trace_id == trace_id}


def has_spans(folder: Path) -> bool:
    """Whether a folder has a file that a process writes its spans to. A folder that is missing has none."""
    return any(_files(folder))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl*"))


def _spans_with(folder: Path, needle: str) -> Iterator[Span]:
    for path in _files(folder) if needle else ():
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                for line in _lines_with(content, needle.encode()):
                    if (span := _parsed(line)) is not None:
                        yield span
        except (FileNotFoundError, ValueError):
            continue  # rotated meanwhile, or still empty


def _lines_with(content: mmap.mmap, needle: bytes) -> Iterator[bytes]:
    place = content.find(needle)
    while place >= 0:
        begin, end = content.rfind(b"\n", 0, place) + 1, content.find(b"\n", place)
        if end < 0:
            return  # the last line is being written
        yield content[begin:end]
        place = content.find(needle, end)


def _parsed(line: bytes) -> Span | None:
    try:
        entry = json.loads(line)
        return Span(
            trace_id=entry["trace_id"],
            span_id=entry["span_id"],
            parent=entry.get("parent_span_id") or "",
            service=entry["service"],
            name=entry["name"],
            start_ns=int(entry["start_ns"]),
            end_ns=int(entry["end_ns"]),
            status=str(entry.get("status", "")),
            attributes=entry.get("attributes") or {},
        )
    except (ValueError, KeyError, TypeError):
        return None  # no span of ours
