"""The fault that a caller gets for an error of PostgreSQL."""

from __future__ import annotations

from typing import Final

import asyncpg

from chassis.errors import Exhausted, Fault, Unavailable

DATABASE_TROUBLE: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""All errors of the driver: for clean-up code, where a failure changes nothing."""

_RETRY_SECONDS: Final = 1.0
_DISK_FULL: Final = "53100"
_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # This process was frozen in the middle of a transaction.
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    # The driver raises this when a connection breaks in the middle of an answer.
    asyncpg.InternalClientError,
)
# An InterfaceError is mostly a bug of ours and has no code. Only its text distinguishes these cases: a
# connection was lost, the pool took back a connection that the server had ended, or the pool is closing.
_LOST: Final = ("connection is closed", "released back to the pool", "pool is closing", "pool is closed")


def database_fault(error: BaseException) -> Fault | None:
    """The fault for an error of PostgreSQL, or None when the error is a bug of ours."""
    if isinstance(error, _AWAY) or _is_of_a_lost_connection(error):
        return database_unavailable()
    if isinstance(error, asyncpg.LockNotAvailableError):
        return Unavailable(
            "ROW_LOCKED",
            "another session of the database holds a lock that this needs",
            retry_after=_RETRY_SECONDS,
        )
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate == _DISK_FULL:
        return Exhausted("STORAGE_FULL", "the database has no space left; nothing was stored")
    return None


def database_unavailable() -> Unavailable:
    """The fault for a database that cannot be reached."""
    return Unavailable(
        "DATABASE_UNAVAILABLE", "the database is unavailable; try again", retry_after=_RETRY_SECONDS
    )


def _is_of_a_lost_connection(error: BaseException) -> bool:
    return isinstance(error, asyncpg.InterfaceError) and any(words in str(error) for words in _LOST)
