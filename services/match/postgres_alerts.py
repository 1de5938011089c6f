"""Alerts and acknowledgements in PostgreSQL, read in the order of their numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
from gantry.common.v1.read_pb2 import Read
from gantry.match.v1.alert_pb2 import Acknowledgement, Alert

from chassis.errors import NotFound
from services.match.events import Event, Page, kind_of, markers_of, taken
from services.match.matching import timestamp
from services.match.places import Place
from services.match.postgres import SQL, in_force, in_locked_force

PAGE: Final = 500


class PostgresAlerts:
    """Alerts raised and taken in hand, by force."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def last_number(self, force: str) -> int:
        """The number of a force's last event; 0 when there is none."""
        last: int = await self._pool.fetchval(SQL["read_last_number"], force)
        return last

    async def page(self, force: str, place: Place) -> Page:
        """The next events after a place, at most 500 of them."""
        # One snapshot for both lists, or an event between the two would be passed over.
        async with in_force(self._pool, force, isolation="repeatable_read") as connection:
            last = await connection.fetchval(SQL["read_last_number"], force)
            alerts = await connection.fetch(SQL["list_alerts"], force, place.number, PAGE, place.bound)
            acknowledged = await connection.fetch(
                SQL["list_acknowledgements"], force, place.number, PAGE, place.bound, place.start
            )
        events = [Event(row["number"], _alert(row)) for row in alerts]
        events += [Event(row["number"], _acknowledgement(row["alert_number"], row)) for row in acknowledged]
        events.sort(key=lambda event: event.number)
        if len(events) < PAGE:
            return Page(events, last)
        return Page(events[:PAGE], events[PAGE - 1].number)

    async def acknowledge(
        self, force: str, number: int, person: str, note: str, at: datetime
    ) -> Acknowledgement:
        """Record that a person took an alert in hand, unless somebody had; returns what stands.

        Raises NotFound ALERT_UNKNOWN.
        """
        async with self._pool.acquire() as connection, in_locked_force(connection, force) as lock:
            found = await connection.fetchrow(SQL["find_alert"], force, number)
            if found is None:
                raise NotFound("ALERT_UNKNOWN", "the force has no alert of that id", field="alert_id")
            if found["person"] is not None:
                return _acknowledgement(number, found)
            await connection.execute(SQL["acknowledge"], force, lock["last_number"], number, at, person, note)
        return taken(number, person, at, note)

    async def delete_old(self, force: str, before: datetime, most: int) -> tuple[int, int]:
        """Delete the oldest alerts raised before a moment; how many, and how many of them unacknowledged."""
        async with self._pool.acquire() as connection, in_locked_force(connection, force):
            row = await connection.fetchrow(SQL["delete_old_alerts"], force, before, most)
        return row["deleted"], row["lapsed"]


def _alert(row: asyncpg.Record) -> Alert:
    alert = Alert(
        alert_id=str(row["number"]),
        read=Read.FromString(row["read"]),
        position=row["position"],
        kind=kind_of(near=row["near"]),
        hotlist=row["hotlist"],
        entry_vrm=row["entry_vrm"],
        reason=row["reason"],
        priority=row["priority"],
        markers=markers_of(row["markers"]),
        instruction=row["instruction"],
        raised_at=timestamp(row["raised_at"]),
    )
    if row["person"] is not None:
        alert.acknowledgement.CopyFrom(_acknowledgement(row["number"], row))
    return alert


def _acknowledgement(alert_number: int, row: asyncpg.Record) -> Acknowledgement:
    return taken(alert_number, row["person"], row["acknowledged_at"], row["note"])
