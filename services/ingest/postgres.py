"""The registry and the counts in PostgreSQL, schema `ingest`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_MOBILE

from chassis.database import finished, statements
from chassis.errors import AlreadyExists
from services.ingest.cameras import (
    CameraChange,
    Enrolled,
    EnrolledCamera,
    Enrolment,
    Health,
    placed_mobile,
)
from services.ingest.registry import Feed, feeds_from
from services.ingest.tallies import CameraKey, Tally

PACKAGE: Final = "services.ingest"
CHANNEL: Final = "gantry_ingest_registry"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PostgresRegistry:
    """See `services.ingest.cameras.CameraRegistry`; also what the door needs of it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._sql = statements(PACKAGE)

    async def ping(self) -> None:
        """Raise when the registry cannot be read."""
        await self._pool.fetchval(self._sql["ping"])

    async def version(self) -> int:
        """Grows with every change."""
        return int(await self._pool.fetchval(self._sql["ping"]))

    async def load(self) -> tuple[int, Mapping[bytes, Feed]]:
        """The whole registry, as of one moment."""
        rows = await self._pool.fetch(self._sql["load_registry"])
        return rows[0]["version"], feeds_from([row for row in rows if row["feed"] is not None])

    async def enrol(self, enrolment: Enrolment) -> Enrolled:
        """Enrol cameras in one transaction. Raises AlreadyExists REQUEST_ID_REUSED."""
        return await finished(self._enrol(enrolment))

    async def cameras(self, force: str, after: str, most: int) -> list[EnrolledCamera]:
        """Cameras by id, those after one."""
        async with self._declared(force) as connection:
            rows = await connection.fetch(self._sql["list_cameras"], force, after, most)
        return [EnrolledCamera(**row) for row in rows]

    async def switch(self, force: str, camera_id: str, *, enabled: bool) -> EnrolledCamera | None:
        """Switch a camera on or off."""
        async with self._declared(force) as connection:
            await connection.execute(self._sql["begin_change"], CHANNEL)
            row = await connection.fetchrow(self._sql["switch_camera"], force, camera_id, enabled)
        return EnrolledCamera(**row) if row else None

    async def health(self, force: str, after: str, most: int) -> list[Health]:
        """What cameras delivered, by id, those after one."""
        async with self._declared(force) as connection:
            rows = await connection.fetch(self._sql["list_health"], force, after, most)
        return [_health(row) for row in rows]

    async def add(self, tallies: Mapping[CameraKey, Tally]) -> None:
        """Add counts to the cameras'."""
        forces = ",".join({force for force, _ in tallies})
        async with self._declared(forces) as connection:
            delivered = _delivered_columns(tallies)
            if delivered[0]:
                await connection.execute(self._sql["add_deliveries"], *delivered)
            refused = _refused_columns(tallies)
            if refused[0]:
                await connection.execute(self._sql["add_rejections"], *refused)

    async def _enrol(self, enrolment: Enrolment) -> Enrolled:
        sql, force, feed = self._sql, enrolment.force, enrolment.feed
        async with self._declared(force) as connection:
            # The registry's row is locked first: a simultaneous retry waits here, then finds the answer.
            await connection.execute(sql["begin_change"], CHANNEL)
            earlier = await connection.fetchrow(sql["find_enrolment"], force, enrolment.request_id)
            if earlier is not None:
                return _repeated(earlier, enrolment)
            token_used = await self._issue_token(connection, enrolment)
            rows = await connection.fetch(sql["enrol_cameras"], force, feed, *_columns(enrolment.cameras))
            _refuse_places_of_mobiles(rows, enrolment.cameras)
            created = sum(row["created"] for row in rows)
            counts = created, len(rows) - created
            await connection.execute(sql["forget_enrolments"], force)
            await connection.execute(
                sql["record_enrolment"], force, enrolment.request_id, enrolment.digest, *counts
            )
            return Enrolled(*counts, token_used)

    async def _issue_token(self, connection: asyncpg.Connection, enrolment: Enrolment) -> bool:
        naming = enrolment.force, enrolment.feed, enrolment.token_sha256
        if await connection.fetchval(self._sql["create_feed"], *naming) is not None:
            return True
        if enrolment.new_token:
            await connection.execute(self._sql["replace_token"], *naming)
        return enrolment.new_token

    @asynccontextmanager
    async def _declared(self, forces: str) -> AsyncIterator[asyncpg.Connection]:
        """A transaction that sees the rows of these forces."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._sql["declare_forces"], forces)
            yield connection


def _repeated(earlier: Mapping[str, Any], enrolment: Enrolment) -> Enrolled:
    if earlier["request_sha256"] != enrolment.digest:
        raise AlreadyExists(
            "REQUEST_ID_REUSED",
            "this request_id was used for another enrolment; make a new UUID for each",
            field="request_id",
        )
    return Enrolled(earlier["created"], earlier["updated"], token_used=False)


def _refuse_places_of_mobiles(rows: Sequence[Mapping[str, Any]], cameras: Sequence[CameraChange]) -> None:
    """A request that leaves the kind out is judged by the kind that the camera is known as."""
    mobile = {row["camera_id"] for row in rows if row["kind"] == CAMERA_KIND_MOBILE}
    for index, camera in enumerate(cameras):
        if camera.latitude is not None and camera.camera_id in mobile:
            raise placed_mobile(f"cameras[{index}]")


def _columns(cameras: Sequence[CameraChange]) -> tuple[list[Any], ...]:
    return (
        [camera.camera_id for camera in cameras],
        [camera.name for camera in cameras],
        [camera.kind for camera in cameras],
        [camera.latitude for camera in cameras],
        [camera.longitude for camera in cameras],
    )


def _delivered_columns(tallies: Mapping[CameraKey, Tally]) -> tuple[list[Any], ...]:
    counted = [(key, tally) for key, tally in tallies.items() if tally.accepted or tally.duplicate]
    return (
        [force for (force, _), _ in counted],
        [camera_id for (_, camera_id), _ in counted],
        [tally.accepted for _, tally in counted],
        [tally.duplicate for _, tally in counted],
        [_moment(tally.last_received_us) for _, tally in counted],
        [_moment(tally.last_captured_us) for _, tally in counted],
    )


def _refused_columns(tallies: Mapping[CameraKey, Tally]) -> tuple[list[Any], ...]:
    rows = [
        (force, camera_id, reason, reads)
        for (force, camera_id), tally in tallies.items()
        for reason, reads in tally.rejected.items()
    ]
    return tuple(list(column) for column in zip(*rows, strict=True)) or ([], [], [], [])


def _health(row: Mapping[str, Any]) -> Health:
    return Health(
        row["camera_id"],
        row["accepted"],
        row["duplicate"],
        dict(zip(row["reasons"], row["refused"], strict=True)),
        row["last_received_at"],
        row["last_captured_at"],
    )


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
