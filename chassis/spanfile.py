"""Spans as JSON lines in a file, for ``gantry trace`` on one machine without a collector."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

MAX_BYTES: Final = 64 * 1024 * 1024

# json.dumps makes an encoder for each call.
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_log = logging.getLogger(__name__)


class SpanFile(SpanExporter):
    """Appends one JSON object a span; past `max_bytes` the file becomes ``NAME.1`` and a new one starts."""

    def __init__(self, service: str, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._service = service
        self._path = path
        self._max_bytes = max_bytes
        path.parent.mkdir(parents=True, exist_ok=True)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans. On a full disk they are lost with one log line, and the service continues."""
        text = "".join(f"{_encode(self._record(span))}\n" for span in spans)
        try:
            self._append(text)
        except OSError as error:
            _log.warning("spans lost", extra={"spans": len(spans), "cause": error.strerror})
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is held open between exports."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Every export is written through at once."""
        return True

    def _append(self, text: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text)
            size = file.tell()
        if size >= self._max_bytes:
            self._path.replace(self._path.with_name(self._path.name + ".1"))

    def _record(self, span: ReadableSpan) -> dict[str, object]:
        here = span.context
        return {
            "trace_id": f"{here.trace_id:032x}",
            "span_id": f"{here.span_id:016x}",
            "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else "",
            "links": [
                {"trace_id": f"{link.context.trace_id:032x}", "span_id": f"{link.context.span_id:016x}"}
                for link in span.links
            ],
            "service": self._service,
            "name": span.name,
            "start_ns": span.start_time,
            "end_ns": span.end_time,
            "status": span.status.status_code.name,
            "attributes": dict(span.attributes or {}),
        }
