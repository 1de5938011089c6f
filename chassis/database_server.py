"""Which PostgreSQL a service may run on: versions 17 and 18, and no pooler in transaction mode.

Otherwise the first sign would be INTERNAL for every append, or statements that a session has lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg

from chassis.errors import StartupFailure

VERSIONS: Final = (17, 18)
"""The major versions that the tests run on."""

_TRIES: Final = 3

Connect = Callable[[], Awaitable[asyncpg.Connection]]
"""Opens a connection that keeps no prepared statements."""


async def check_server(connect: Connect, where: str, session: str) -> bool:
    """Whether a pooler answers. Raises StartupFailure when the server is one that we cannot use.

    `where` names the server. `session` is the statement that asks for the number of the session's process.
    """
    first = await connect()
    try:
        check_version(first, where, "GANTRY_DATABASE__HOST")
        if not await _is_pooled(first, session):
            return False
        if await _changes_sessions(first, connect, session):
            raise StartupFailure(
                f"{where} is a pooler in transaction mode, which takes a service's session away between two "
                "transactions; set its pool_mode to session for Gantry, or connect to PostgreSQL itself."
            )
        return True
    finally:
        await first.close()


def check_version(connection: asyncpg.Connection, where: str, setting: str) -> None:
    """Raises StartupFailure for a version that we cannot use. `setting` is where the host was given."""
    major = connection.get_server_version().major
    if major not in VERSIONS:
        raise StartupFailure(
            f"{where} is version {major}, and Gantry needs {' or '.join(map(str, VERSIONS))}; "
            f"upgrade it or correct {setting}."
        )


async def _is_pooled(connection: asyncpg.Connection, session: str) -> bool:
    """A pooler tells its clients a process number of its own."""
    return bool(await _session_of(connection, session) != connection.get_server_pid())


async def _changes_sessions(first: asyncpg.Connection, connect: Connect, session: str) -> bool:
    """Whether a second client can get the session of a first one that is still connected."""
    for _ in range(_TRIES):
        before = await _session_of(first, session)
        second = await connect()
        try:
            async with second.transaction():
                if before == await _session_of(second, session) or before != await _session_of(
                    first, session
                ):
                    return True
        finally:
            await second.close()
    return False


async def _session_of(connection: asyncpg.Connection, session: str) -> Any:
    # In a transaction, since a pooler may run the two parts of a statement in different sessions.
    async with connection.transaction():
        return await connection.fetchval(session)
