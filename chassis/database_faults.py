"""The fault that a caller gets for an error of PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
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
_FULL_RETRY_SECONDS: Final = 5.0
_LEAST_FREE: Final = 32 * 1024 * 1024
_DISK_FULL: Final = "53100"
_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # This process was frozen in the middle of a transaction.
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    # A statement has lasted longer than the sessions of a service allow.
    asyncpg.QueryCanceledError,
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
        _space.ended = _space.ended or _severity_of(error) in _SERVER_ENDS
        return _storage_full()
    return None


def database_unavailable() -> Fault:
    """The fault for a database that cannot be reached.

    It is STORAGE_FULL when PostgreSQL has ended itself for want of room, or when its disk is on this machine
    and has none. Most sessions only see that it went away.
    """
    if _space.ended or _lacks_room(_space.folder):
        return _storage_full()
    return Unavailable(
        "DATABASE_UNAVAILABLE", "the database is unavailable; try again", retry_after=_RETRY_SECONDS
    )


def database_is_back() -> None:
    """A new connection was made."""
    _space.ended = False


def database_disk(host: str) -> None:
    """Where the database of this process is. The folder of its socket is on its disk, as the suite has it."""
    _space.folder = host if Path(host).is_absolute() else None


def database_free_bytes() -> int | None:
    """What is free on the disk of the database; None when that is not on this machine."""
    return None if _space.folder is None else free_bytes(_space.folder)


def free_bytes(folder: str | Path) -> int | None:
    """What is free on the disk of a folder; None when it cannot be read."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


class _Space:
    """Whether PostgreSQL has ended itself for want of room, and a folder on its disk. A process has one."""

    ended = False
    folder: str | None = None


_space: Final = _Space()
_SERVER_ENDS: Final = frozenset({"PANIC", "FATAL"})


def _lacks_room(folder: str | None) -> bool:
    """Whether a disk has no room for PostgreSQL, whose log grows by files of 16 MiB."""
    free = None if folder is None else free_bytes(folder)
    return free is not None and free < _LEAST_FREE


def _severity_of(error: asyncpg.PostgresError) -> str:
    return str(getattr(error, "severity_en", None) or getattr(error, "severity", ""))


def _storage_full() -> Exhausted:
    return Exhausted(
        "STORAGE_FULL",
        "the database has no space left; nothing was stored",
        retry_after=_FULL_RETRY_SECONDS,
    )


def _is_of_a_lost_connection(error: BaseException) -> bool:
    return isinstance(error, asyncpg.InterfaceError) and any(words in str(error) for words in _LOST)
