"""Alerts and their events in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import asyncpg
from gantry.common.v1.read_pb2 import Read
from gantry.match.v1.alert_pb2 import Alert, GetMatchStatusResponse

from chassis.database import in_forces, statements
from reads.canary import CANARY
from services.match.alerts import events
from services.match.alerts.filtering import Happening, Subject
from services.match.alerts.ports import PAGE, AlertQuery, EventPage

SQL: Final = statements("services.match.alerts")
_FIRST_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)


class PostgresAlerts:
    """See `EventSource`, `AlertSource` and `OldAlerts` in `services.match.alerts.ports`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def last_number(self, force: str) -> int:
        """The number of a force's last event; 0 when there was none."""
        async with in_forces(self._pool, force) as connection:
            return await connection.fetchval(SQL["last_number"], force) or 0

    async def page(self, force: str, after: int) -> EventPage:
        """The events after a number, at most PAGE of them."""
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(SQL["list_events"], force, after, PAGE)
        found = [_event(row) for row in rows if row["number"] is not None]
        if len(found) == PAGE:
            return EventPage(found, found[-1].event.number)
        return EventPage(found, rows[0]["last_number"] if rows else 0)

    async def list(self, force: str, query: AlertQuery, most: int) -> Sequence[Alert]:
        """Alerts, newest first."""
        statement = SQL["list_open_alerts" if query.open_only else "list_alerts"]
        raised_from, before = query.raised_from or _FIRST_TIME, query.before or (_LAST_TIME, 0)
        wanted = query.wanted
        conditions = wanted.hotlists, wanted.camera_ids, wanted.lowest_priority, wanted.near
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(statement, force, raised_from, *before, most, *conditions)
        return [_alert(row) for row in rows]

    async def find(self, force: str, number: int) -> Alert | None:
        """One alert."""
        async with in_forces(self._pool, force) as connection:
            row = await connection.fetchrow(SQL["find_alert"], force, number)
        return None if row is None else _alert(row)

    async def acknowledge(
        self, force: str, number: int, person: str, note: str, at: datetime
    ) -> tuple[Happening, bool] | None:
        """Append an acknowledgement unless one stands; the event that stands and whether it is new."""
        async with in_forces(self._pool, force) as connection:
            row = await connection.fetchrow(SQL["acknowledge_alert"], force, number, person, note, at)
        if row["number"] is None:
            return None
        stands = events.acknowledgement(row["person"], row["at"], row["note"])
        return events.acknowledged(row["number"], number, stands, _subject(row)), row["is_new"]

    async def delete_old(self, force: str, before: datetime, most: int) -> tuple[int, int]:
        """Delete the oldest alerts raised before a moment; how many, and how many of them were open."""
        async with in_forces(self._pool, force) as connection:
            row = await connection.fetchrow(SQL["delete_old_alerts"], force, before, most)
        return row["deleted"], row["lapsed"]

    async def status(self, force: str) -> GetMatchStatusResponse:
        """The durable progress of matching."""
        async with in_forces(self._pool, force) as connection:
            row = await connection.fetchrow(SQL["read_status"], force, CANARY)
        told = {name: value for name, value in row.items() if value is not None}
        return GetMatchStatusResponse(**told)


def _event(row: asyncpg.Record) -> Happening:
    if row["kind"] == 1:
        return events.raised(row["number"], _raised_alert(row))
    acknowledgement = events.acknowledgement(row["person"], row["at"], row["note"])
    return events.acknowledged(row["number"], row["alert_number"], acknowledgement, _subject(row))


def _subject(row: asyncpg.Record) -> Subject:
    return Subject(row["hotlist"], row["camera_id"], row["priority"], row["near"])


def _alert(row: asyncpg.Record) -> Alert:
    alert = _raised_alert(row)
    if row["acknowledged_by"] is not None:
        acknowledgement = events.acknowledgement(
            row["acknowledged_by"], row["acknowledged_at"], row["acknowledged_note"]
        )
        alert.acknowledgement.CopyFrom(acknowledgement)
    return alert


def _raised_alert(row: asyncpg.Record) -> Alert:
    return events.alert(
        number=row["number"],
        read=Read.FromString(row["read"]),
        position=row["position"],
        near=row["near"],
        hotlist=row["hotlist"],
        entry_vrm=row["entry_vrm"],
        reason=row["reason"],
        priority=row["priority"],
        markers=row["markers"],
        instruction=row["instruction"],
        raised_at=row["raised_at"],
        entries=row["entries"],
        camera_name=row["camera_name"],
        late=row["late"],
    )
