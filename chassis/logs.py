"""Logs: one JSON object for each line on standard error, with the ids of the trace.

An exception is logged by its type and its frames. Its text appears only where it cannot quote a read. The
message of a driver or a parser may contain the plate that it could not use.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

import asyncpg
import grpc
from opentelemetry.trace import get_current_span

from chassis.database_faults import database_fault
from chassis.errors import Fault, StartupFailure
from chassis.settings import SettingsError

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUOTES_NO_DATA: Final = (
    Fault,
    StartupFailure,
    SettingsError,
    OSError,
    RuntimeError,
    ImportError,
    AttributeError,
    NameError,
    TypeError,
)
_MAX_FRAMES: Final = 12
_MAX_CAUSES: Final = 5


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON: time, level, service, logger, message, trace ids, extras."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        span = get_current_span().get_span_context()
        if span.is_valid and span.trace_flags.sampled:
            line |= {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return json.dumps(line, default=str)


def configure_logs(service: str, level: str) -> None:
    """Send every logger's lines to standard error as JSON, from `level` (debug, info, ...) up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_lost_call)
    logging.getLogger("asyncio").addFilter(_is_no_lost_connection)


def describe(error: BaseException) -> list[dict[str, object]]:
    """An exception and its causes, outermost first: type, safe text, frames."""
    found: list[dict[str, object]] = []
    cause: BaseException | None = error
    while cause is not None and len(found) < _MAX_CAUSES:
        found.append(
            {"type": type(cause).__name__, "text": _safe_text(cause), "frames": _frames(cause.__traceback__)}
        )
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        else:
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return found


def _is_no_lost_call(record: logging.LogRecord) -> bool:
    """False for what gRPC logs when a stop ends a stream early, or a caller goes while it is answered."""
    error = record.exc_info[1] if record.exc_info else None
    # The second one is a class of a private module.
    return not isinstance(error, asyncio.CancelledError) and type(error).__name__ != "ExecuteBatchError"


def _is_no_lost_connection(record: logging.LogRecord) -> bool:
    """False for a connection to PostgreSQL that broke while it went back to its pool.

    When the call that had it was cancelled, asyncpg does that in a task that nobody awaits. The pool makes a
    new connection.
    """
    error = record.exc_info[1] if record.exc_info else None
    broke = isinstance(error, Exception) and database_fault(error) is not None
    return not (broke and "PoolConnectionHolder.release" in record.getMessage())


def _safe_text(error: BaseException) -> str:
    if isinstance(error, asyncpg.PostgresError):
        constraint = getattr(error, "constraint_name", None)
        return f"sqlstate {error.sqlstate}" + (f", constraint {constraint}" if constraint else "")
    if isinstance(error, grpc.aio.AioRpcError):
        return f"status {error.code().name}"
    return str(error) if isinstance(error, _QUOTES_NO_DATA) else ""


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_MAX_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
