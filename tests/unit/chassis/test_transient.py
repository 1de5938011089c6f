"""Which errors pass by themselves."""

from __future__ import annotations

import asyncio

import asyncpg
import grpc
import pytest

from chassis.errors import Aborted, Conflict, Exhausted, Fault, Forbidden, InvalidInput, NotFound, Unavailable
from chassis.transient import TransientError, asked_wait, cause_of, is_transient, leaves


class FencedError(TransientError):
    """Another replica has the work now."""


PASSING = [
    Unavailable("AWAY", "away"),
    Exhausted("FULL", "full"),
    Aborted("RACE", "lost a race"),
    Fault(grpc.StatusCode.DEADLINE_EXCEEDED, "LATE", "late"),
    Fault(grpc.StatusCode.CANCELLED, "CANCELLED", "the server stopped"),
    FencedError(),
    ConnectionResetError(),
    TimeoutError(),
    asyncpg.ConnectionDoesNotExistError("gone"),
    asyncpg.AdminShutdownError("stopping"),
    asyncpg.CannotConnectNowError("starting"),
    asyncpg.InterfaceError("cannot perform operation: connection is closed"),
    asyncpg.InternalClientError("got result for unknown protocol state"),
    asyncpg.LockNotAvailableError("lock timeout"),
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.SerializationError("concurrent update"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.DiskFullError("no space"),
    ExceptionGroup("all pass", [TimeoutError(), ExceptionGroup("inner", [Unavailable("AWAY", "away")])]),
]
LASTING = [
    InvalidInput("WRONG", "wrong"),
    NotFound("NONE", "none"),
    Forbidden("NO", "no"),
    Conflict("STATE", "state"),
    Fault(grpc.StatusCode.INTERNAL, "INTERNAL", "a bug"),
    KeyError("vrm"),
    asyncpg.UndefinedTableError("no table"),
    asyncpg.UniqueViolationError("twice"),
    asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
    asyncio.CancelledError(),
    ExceptionGroup("one lasts", [TimeoutError(), KeyError("vrm")]),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_it_passes(error: BaseException):
    assert is_transient(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_it_does_not_pass(error: BaseException):
    assert not is_transient(error)


def test_the_leaves_of_groups_in_groups():
    one, two, three = TimeoutError(), KeyError(), ValueError()
    group = ExceptionGroup("outer", [one, ExceptionGroup("inner", [two, three])])
    assert list(leaves(group)) == [one, two, three]
    assert list(leaves(one)) == [one]


def test_the_longest_wait_that_is_asked_for():
    faults = [Unavailable("A", "a", retry_after=1.0), Unavailable("B", "b", retry_after=3.0), TimeoutError()]
    assert asked_wait(ExceptionGroup("three", faults)) == 3.0
    assert asked_wait(TimeoutError()) is None


def test_the_cause_is_a_reason_or_a_type_and_quotes_nothing():
    assert cause_of(Unavailable("AWAY", "away")) == "AWAY"
    assert cause_of(ExceptionGroup("one", [KeyError("AB12CDE")])) == "KeyError"


def test_the_cause_of_a_database_error_is_told_as_callers_get_it():
    """`gantry status` shows it: LockNotAvailableError says nothing to people."""
    assert cause_of(asyncpg.LockNotAvailableError("lock timeout")) == "ROW_LOCKED"
    assert cause_of(asyncpg.ConnectionDoesNotExistError("gone")) == "DATABASE_UNAVAILABLE"
