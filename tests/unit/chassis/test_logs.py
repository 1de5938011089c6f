"""A log line is one JSON object; an exception's text appears only where it cannot quote a read."""

from __future__ import annotations

import asyncio
import json
import logging
from types import TracebackType

import asyncpg
import pytest
from grpc._cython.cygrpc import ExecuteBatchError

from chassis.errors import NotFound
from chassis.logs import JsonLines, configure_logs
from chassis.telemetry import within

PLATE = "AB12CDE"


def _trace_of(error: BaseException) -> TracebackType | None:
    with pytest.raises(type(error)) as raised:
        raise error
    return raised.tb


def _line(error: BaseException | None = None, **extra) -> dict:
    info = None if error is None else (type(error), error, _trace_of(error))
    record = logging.getLogger("services.store").makeRecord(
        "services.store", logging.INFO, __file__, 1, "purged %d days", (3,), info, extra=extra
    )
    text = JsonLines("store").format(record)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_has_its_fields_and_the_extras():
    line = _line(days=3, place=object)
    assert (line["level"], line["service"], line["logger"]) == ("info", "store", "services.store")
    assert line["message"] == "purged 3 days"
    assert line["days"] == 3
    assert line["time"].endswith("+00:00")
    assert "trace_id" not in line


def test_a_line_of_traced_work_names_its_span():
    with within(f"00-{'a' * 32}-{'b' * 16}-01"):
        line = _line(days=3)
    assert (line["trace_id"], line["span_id"]) == ("a" * 32, "b" * 16)
    for none in (f"00-{'a' * 32}-{'b' * 16}-00", "", "junk"):
        with within(none):
            assert "trace_id" not in _line(days=3)


@pytest.mark.parametrize(
    "error", [KeyError(PLATE), ValueError(PLATE), asyncpg.DataError(PLATE), asyncpg.InterfaceError(PLATE)]
)
def test_an_error_that_may_quote_data_is_logged_by_type_and_place(error):
    line = _line(error)
    assert PLATE not in json.dumps(line)
    assert line["error"][0]["type"] == type(error).__name__
    assert "test_logs.py" in line["error"][0]["frames"][0]


def test_a_constraint_is_named_without_its_row():
    error = asyncpg.UniqueViolationError(f"duplicate key {PLATE}")
    error.constraint_name, error.detail = "reads_pkey", f"Key (vrm)=({PLATE})"
    line = _line(error)
    assert line["error"][0]["text"] == "sqlstate 23505, constraint reads_pkey"
    assert PLATE not in json.dumps(line)


def test_our_own_errors_speak_and_causes_follow():
    fault = NotFound("NO_SUCH_READ", "no such read")
    fault.__cause__ = OSError(2, "No such file")
    line = _line(fault)
    assert [each["type"] for each in line["error"]] == ["NotFound", "FileNotFoundError"]
    assert line["error"][0]["text"] == "NO_SUCH_READ: no such read"


def test_a_group_shows_its_first_failure():
    line = _line(ExceptionGroup("tasks", [RuntimeError("first"), RuntimeError("second")]))
    assert [each["text"] for each in line["error"]] == ["", "first"]


def test_text_from_outside_is_one_line_without_anything_that_a_terminal_obeys() -> None:
    evil = "\x1b]0;owned\x07\x9b31m\u202e\u2028\r\nB\x00\x7f"
    record = logging.LogRecord("gantry", logging.INFO, "", 0, "of %s", (evil,), None)
    record.camera_id = evil
    line = JsonLines("ingest").format(record)
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert (told["message"], told["camera_id"]) == (f"of {evil}", evil)


RELEASE = "Task exception was never retrieved\nfuture: <Task coro=<PoolConnectionHolder.release() done>>"
BROKEN = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


@pytest.mark.parametrize(
    ("logger", "message", "error", "logged"),
    [
        ("asyncio", RELEASE, BROKEN, False),
        ("asyncio", RELEASE, asyncpg.AdminShutdownError("postmaster exit"), False),
        ("asyncio", RELEASE, ValueError("a bug"), True),
        ("asyncio", "Task exception was never retrieved\nfuture: <Task coro=<ours()>>", BROKEN, True),
        ("grpc._cython.cygrpc", "raised", ExecuteBatchError("the caller has gone"), False),
        ("grpc._cython.cygrpc", "raised", asyncio.CancelledError(), False),
        ("grpc._cython.cygrpc", "raised", ValueError("a bug"), True),
    ],
)
def test_what_a_library_says_of_a_connection_that_is_gone_is_no_error(
    capfd, logger: str, message: str, error: BaseException, logged: bool
):
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        configure_logs("store", "info")
        logging.getLogger(logger).error(message, exc_info=(type(error), error, None))
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
    assert bool(capfd.readouterr().err) is logged
