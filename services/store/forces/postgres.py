"""The forces in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from chassis.database import finished, statements
from chassis.database_faults import database_unavailable
from chassis.errors import AlreadyExists, NotFound
from services.store.forces.force import Directory, Force, NewForce
from services.store.forces.settings import Area, Settings

_ONE_FORCE_A_REQUEST: Final = "forces_request"
_SQL: Final = statements("services.store.forces")


class PostgresForces:
    """Reads and changes the rows of forces."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create(self, new: NewForce) -> Force:
        """Create a force, or return the one that the same request created."""
        if not await finished(self._make(new)):
            raise AlreadyExists("FORCE_EXISTS", "another request created a force of this code", field="force")
        return await self._force(new.code)

    async def retire(self, force: str) -> Force:
        """Retire a force; one that is retired stays as it is."""
        await finished(self._pool.execute(_SQL.retire_force, force))
        return await self._force(force)

    async def change(self, force: str, settings: Settings) -> Force:
        """Replace the settings of a force."""
        area = settings.area
        edges = (None,) * 4 if area is None else (area.south, area.west, area.north, area.east)
        try:
            await finished(self._pool.execute(_SQL.change_force, force, *edges, settings.not_read_words))
        except asyncpg.LockNotAvailableError:
            raise database_unavailable() from None
        return await self._force(force)

    async def revision(self) -> int:
        """The revision of the directory."""
        return int(await self._pool.fetchval(_SQL.revision))

    async def directory(self) -> Directory:
        """The directory, as it is at one revision."""
        rows = await self._pool.fetch(_SQL.directory)
        return Directory(rows[0]["revision"], [_force(row) for row in rows if row["force"] is not None])

    async def _make(self, new: NewForce) -> bool:
        arguments = (new.code, new.name, new.request_id, list(new.consumers))
        try:
            return bool(await self._pool.fetchval(_SQL.create_force, *arguments))
        except asyncpg.LockNotAvailableError:
            raise database_unavailable() from None
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name != _ONE_FORCE_A_REQUEST:
                raise
            raise AlreadyExists(
                "REQUEST_ID_REUSED",
                "this request_id created another force; make a new UUID for each",
                field="request_id",
            ) from None

    async def _force(self, code: str) -> Force:
        row = await self._pool.fetchrow(_SQL.force, code)
        if row is None:
            raise NotFound("FORCE_UNKNOWN", "there is no such force", field="force")
        return _force(row)


def _force(row: Mapping[str, Any]) -> Force:
    return Force(row["force"], row["name"], row["created_at"], row["retired_at"], _settings(row))


def _settings(row: Mapping[str, Any]) -> Settings:
    area = None if row["south"] is None else Area(row["south"], row["west"], row["north"], row["east"])
    return Settings(area, row["not_read_words"])
