"""The rows of destinations in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import asyncpg

from chassis.database import in_forces, statements
from following import (
    DesiredState,
    LineStatus,
    add_line,
    line_status,
    line_statuses,
    pause_line,
    resume_line,
    retire_line,
    set_line_state,
)
from services.nas_bridge.destinations.destination import Destination, DestinationSettings, Images, Route

_SQL: Final = statements("services.nas_bridge.destinations")


class PostgresDestinations:
    """See `services.nas_bridge.destinations.verbs.DestinationRows`. A destination is a line of its name."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def destinations(self, force: str) -> list[Destination]:
        """The destinations of a force by name."""
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(_SQL.list_destinations, force, None)
            lines = {status.line: status for status in await line_statuses(connection, force)}
        return [_destination(row, lines[row["name"]]) for row in rows]

    async def settings(self, route: Route) -> DestinationSettings:
        """How a destination is reached. It has a line, so it exists."""
        async with in_forces(self._pool, route.force) as connection:
            return _settings(await connection.fetchrow(_SQL.list_destinations, *route))

    async def plan(self, force: str, settings: DestinationSettings) -> Destination:
        """Record a planned destination unless one of that name exists. Returns the stored destination."""
        async with in_forces(self._pool, force) as connection:
            await connection.execute(
                _SQL.add_destination,
                force,
                settings.name,
                settings.adapter,
                json.dumps(dict(settings.options)),
                int(settings.images),
                settings.identity,
                settings.server_name,
                settings.most_reads,
                settings.timeout_seconds,
            )
            await add_line(connection, force, settings.name, state=DesiredState.PLANNED)
            status = await line_status(connection, force, settings.name)
            return await _found(connection, force, status)

    async def go_live(self, route: Route) -> Destination:
        """Set a planned destination live. Returns the stored destination."""
        async with in_forces(self._pool, route.force) as connection:
            # In any state of the destination: its consumer was registered just now.
            await connection.execute(_SQL.set_registered, *route, True)
            status = await line_status(connection, *route)
            if status is not None and status.state is DesiredState.PLANNED:
                status = await set_line_state(connection, *route, DesiredState.LIVE)
            return await _found(connection, route.force, status)

    async def pause(self, route: Route) -> Destination | None:
        """Pause a destination that is not retired.

        Returns the stored destination, None when it is unknown.
        """
        return await self._change(route, pause_line)

    async def resume(self, route: Route) -> Destination | None:
        """End the pause or stop of a destination that is not retired. Returns the stored destination."""
        return await self._change(route, resume_line)

    async def retire(self, route: Route) -> Destination | None:
        """Retire a destination. Returns the stored destination."""
        return await self._change(route, retire_line)

    async def consumers_to_retire(self, forces: Iterable[str]) -> list[Route]:
        """Retired destinations whose consumer the store may still have."""
        async with in_forces(self._pool, forces) as connection:
            return [Route(*row) for row in await connection.fetch(_SQL.consumers_to_retire)]

    async def consumer_retired(self, route: Route) -> None:
        """Record that the store retired the consumer."""
        async with in_forces(self._pool, route.force) as connection:
            await connection.execute(_SQL.set_registered, *route, False)

    async def _change(
        self, route: Route, verb: Callable[[asyncpg.Connection, str, str], Awaitable[LineStatus | None]]
    ) -> Destination | None:
        async with in_forces(self._pool, route.force) as connection:
            status = await verb(connection, *route)
            return None if status is None else await _found(connection, route.force, status)


async def _found(connection: asyncpg.Connection, force: str, status: LineStatus | None) -> Destination:
    assert status is not None, "a destination has a line"
    return _destination(await connection.fetchrow(_SQL.list_destinations, force, status.line), status)


def _destination(row: asyncpg.Record, status: LineStatus) -> Destination:
    return Destination(
        _settings(row), status, row["delivered"], row["dead_letters"], row["last_delivered_at"]
    )


def _settings(row: asyncpg.Record) -> DestinationSettings:
    return DestinationSettings(
        name=row["name"],
        adapter=row["adapter"],
        options=json.loads(row["options"]),
        images=Images(row["images"]),
        identity=row["identity"],
        server_name=row["server_name"],
        most_reads=row["most_reads"],
        timeout_seconds=row["timeout_seconds"],
    )
