"""A fault survives its round trip, whatever it carries."""

from __future__ import annotations

import asyncpg
import grpc
import pytest
from google.rpc import status_pb2
from hypothesis import given
from hypothesis import strategies as st

from chassis.database_faults import (
    database_disk,
    database_fault,
    database_is_back,
    database_unavailable,
)
from chassis.errors import (
    DETAILS_KEY,
    Conflict,
    Fault,
    InvalidInput,
    encode_fault,
    fault_from,
    fault_from_status,
    make_fault,
)

STATUSES = [status for status in grpc.StatusCode if status is not grpc.StatusCode.OK]


def _error(code: grpc.StatusCode, details: bytes | None, text: str = "text") -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata(*([(DETAILS_KEY, details)] if details is not None else []))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details=text)


@given(
    status=st.sampled_from(STATUSES),
    reason=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1),
    message=st.text(),
    retry_after=st.none() | st.floats(0, 3600),
    field=st.none() | st.text(min_size=1),
    metadata=st.dictionaries(st.text(), st.text(), max_size=4),
)
def test_the_round_trip_keeps_everything(status, reason, message, retry_after, field, metadata):
    sent = make_fault(status, reason, message, retry_after=retry_after, field=field, metadata=metadata)
    got = fault_from(_error(status, encode_fault(sent)))
    assert type(got) is type(sent)
    assert (got.status, got.reason, got.message, got.field) == (status, reason, message, field)
    assert got.metadata == metadata
    assert got.retry_after == (None if retry_after is None else pytest.approx(retry_after, abs=1e-8))


def test_every_subclass_is_found_by_its_status():
    kinds = {type(make_fault(status, "R", "m")) for status in STATUSES}
    assert len(kinds - {Fault}) == 10


@pytest.mark.parametrize(
    "details", [None, b"", b"\xff\xff\xff", status_pb2.Status(code=5).SerializeToString()]
)
def test_a_failure_without_our_details_is_named_by_its_status(details):
    fault = fault_from(_error(grpc.StatusCode.FAILED_PRECONDITION, details))
    assert type(fault) is Conflict
    assert fault.reason == "FAILED_PRECONDITION"


def test_a_status_inside_a_message_is_a_fault_too():
    sent = InvalidInput("VRM_EMPTY", "the plate is empty", field="vrm")
    got = fault_from_status(status_pb2.Status.FromString(encode_fault(sent)))
    assert (type(got), got.reason, got.field) == (InvalidInput, "VRM_EMPTY", "vrm")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (asyncpg.TooManyConnectionsError("x"), "DATABASE_UNAVAILABLE"),
        (asyncpg.CannotConnectNowError("x"), "DATABASE_UNAVAILABLE"),
        (asyncpg.InterfaceError("connection is closed"), "DATABASE_UNAVAILABLE"),
        (
            asyncpg.InterfaceError("cannot call X.y(): connection has been released back to the pool"),
            "DATABASE_UNAVAILABLE",
        ),
        (asyncpg.InterfaceError("pool is closing"), "DATABASE_UNAVAILABLE"),
        (asyncpg.InterfaceError("the prepared statement is closed"), None),
        (asyncpg.DiskFullError("x"), "STORAGE_FULL"),
        (asyncpg.InterfaceError("another operation is in progress"), None),
        (asyncpg.CheckViolationError("x"), None),
        (OSError("x"), None),
    ],
)
def test_database_errors_by_what_a_caller_can_do(error, reason):
    fault = database_fault(error)
    assert (fault.reason if fault else None) == reason


def test_a_database_that_ended_for_want_of_room_is_full_until_it_is_back():
    ended = asyncpg.DiskFullError("x")
    ended.severity_en = "PANIC"
    assert database_fault(ended).retry_after
    for away in (asyncpg.CannotConnectNowError("x"), asyncpg.CrashShutdownError("x")):
        assert database_fault(away).reason == "STORAGE_FULL"
    database_is_back()
    assert database_unavailable().reason == "DATABASE_UNAVAILABLE"
    # A single statement that found no room does not end the server.
    assert database_fault(asyncpg.DiskFullError("x")).reason == "STORAGE_FULL"
    assert database_unavailable().reason == "DATABASE_UNAVAILABLE"


def test_a_database_on_a_full_disk_of_this_machine_is_full(tmp_path, monkeypatch):
    database_disk(str(tmp_path))
    try:
        assert database_unavailable().reason == "DATABASE_UNAVAILABLE"
        monkeypatch.setattr("chassis.database_faults._LEAST_FREE", 2**80)
        assert database_unavailable().reason == "STORAGE_FULL"
        database_disk("db.example")
        assert database_unavailable().reason == "DATABASE_UNAVAILABLE"
    finally:
        database_disk("")
