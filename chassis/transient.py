"""Decides whether an error is transient, so that another attempt may succeed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import asyncpg
import grpc

from chassis.database_faults import database_fault
from chassis.errors import TRANSIENT_STATUSES, Fault

# asyncpg has no common base for these: a transaction lost a conflict with another, or timed out.
_TRANSIENT_IN_POSTGRES: Final = (
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
)


class TransientError(Exception):
    """An error after which the same work may succeed, for example when another replica has taken it over."""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later. A group passes only when every error in it does."""
    return all(map(_passes, leaves(error)))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The error itself, or the errors inside a group and the groups in it."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def asked_wait(error: BaseException) -> float | None:
    """The longest wait in seconds that a fault in `error` asks for, or None."""
    asked = [leaf.retry_after for leaf in leaves(error) if isinstance(leaf, Fault)]
    return max((wait for wait in asked if wait is not None), default=None)


def cause_of(error: BaseException) -> str:
    """The reason of a fault, also of the database, or the type of another error: short, no personal data."""
    first = next(leaves(error))
    fault = first if isinstance(first, Fault) else database_fault(first)
    return type(first).__name__ if fault is None else fault.reason


def _passes(error: BaseException) -> bool:
    if isinstance(error, Fault):
        return error.may_pass
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code() in TRANSIENT_STATUSES
    if isinstance(error, (TransientError, OSError, TimeoutError, *_TRANSIENT_IN_POSTGRES)):
        return True
    return database_fault(error) is not None
