"""A database that others restored: by CloudNativePG, Barman, pgBackRest, or a snapshot of a disk.

They bring back what was withdrawn, revoked and deleted since the restored time. So before a service starts on
it, it is told what stood at the end, and search and alerts are closed as after a restore of ours.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from reads.canary import CANARY
from suite.backup.server import SQL
from suite.backup.standing import Replayed, close_restored
from suite.database import SERVICES, runtime_role
from suite.errors import SuiteError
from suite.external import ExternalPostgres, connected_to

_KEYS: Final = frozenset({"registry", "feeds", "disabled", "hotlists", "retired", "destinations", "audit"})


async def standing_at(server: ExternalPostgres, database: str) -> str:
    """What stands in the database, as JSON: digests of tokens, names of cameras, hotlists and forces.

    SuiteError when the server cannot be asked.
    """
    async with _opened(server, database) as connection:
        text: str = await connection.fetchval(SQL.standing, CANARY)
        return text


async def close_restored_at(
    server: ExternalPostgres, database: str, stood: dict[str, Any] | None
) -> Replayed:
    """Replay what stood, and close search and alerts until the services have deleted again what is due.

    SuiteError when the server cannot be asked, or a service is connected: it would not notice.
    """
    async with _opened(server, database) as connection:
        roles = [runtime_role(service) for service in SERVICES]
        if connected := await connection.fetchval(SQL.connected_roles, roles):
            raise SuiteError(
                f"{', '.join(connected)} have connections to {database}: stop all services first"
            )
        return await close_restored(connection, stood, _subject)


def standing_in(text: str) -> dict[str, Any]:
    """What `standing_at` wrote. ValueError for another text."""
    stood = json.loads(text)
    if not isinstance(stood, dict) or not stood.keys() >= _KEYS:
        raise ValueError("it is not what `gantry database standing` writes")
    return stood


def _subject(replayed: Replayed) -> str:
    return f"restored by the database's own backups; {replayed.sentence}"


@asynccontextmanager
async def _opened(server: ExternalPostgres, database: str) -> AsyncIterator[asyncpg.Connection]:
    try:
        async with connected_to(server, database) as connection:
            yield connection
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise SuiteError(
            f"{server.where} has a database {database} without all of Gantry's tables: run `migrate` of "
            "every service first"
        ) from error
