"""The registry and the camera counts in PostgreSQL, schema `ingest`."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg
from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_MOBILE

from chassis.database import finished, in_forces, statements, stop_listening
from chassis.database_faults import DATABASE_TROUBLE
from chassis.errors import AlreadyExists
from chassis.transient import cause_of, is_transient
from reads.canary import CANARY
from reads.epoch import moment
from services.ingest.cameras.counts import CameraCounts, CameraKey
from services.ingest.cameras.enrolment import (
    CameraChange,
    Enrolled,
    EnrolledCamera,
    Enrolment,
    Health,
    placed_mobile,
)
from services.ingest.cameras.feeds import Feed, feeds_from

CHANNEL: Final = "gantry_ingest_registry"
# A mobile camera has no place.
_CANARY_CAMERA: Final = CameraChange(CANARY, CANARY, CAMERA_KIND_MOBILE, None, None)

_log = logging.getLogger(__name__)


class PostgresRegistry:
    """Implements `CameraRegistry`, `FeedSource` and `CountsStore`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._sql = statements("services.ingest.cameras")

    async def version(self) -> int:
        """Grows with every change of the registry. Raises when the database is unavailable."""
        return int(await self._pool.fetchval(self._sql.registry_version))

    async def ping(self) -> None:
        """Raise when the registry cannot be read."""
        await self.version()

    async def load(self) -> tuple[int, Mapping[bytes, Feed]]:
        """The version, and every feed by the key of its token, as of one moment."""
        rows = await self._pool.fetch(self._sql.load_registry)
        return rows[0]["version"], feeds_from([row for row in rows if row["feed"] is not None])

    async def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` at once, and after each notification of a change, until the connection ends."""
        async with self._pool.acquire() as connection:
            gone = asyncio.Event()

            def ended(_: object) -> None:
                gone.set()

            def notified(*_: object) -> None:
                changed()

            connection.add_termination_listener(ended)
            try:
                await connection.add_listener(CHANNEL, notified)
                # A change before this may have been missed.
                changed()
                await gone.wait()
            finally:
                # On a dead connection these raise. That must not hide a cancellation.
                with suppress(*DATABASE_TROUBLE):
                    connection.remove_termination_listener(ended)
                await stop_listening(connection, (CHANNEL,), notified)

    async def enrol(self, enrolment: Enrolment) -> Enrolled:
        """Enrol cameras in one transaction. Raises AlreadyExists REQUEST_ID_REUSED."""
        return await finished(self._enrol_and_announce(enrolment))

    async def enrol_canary(self, force: str, token_sha256: bytes) -> None:
        """Give the canary's feed of a force this token; make the feed and its camera if they are missing."""
        await finished(self._enrol_canary_and_announce(force, token_sha256))

    async def cameras(self, force: str, after: str, most: int) -> list[EnrolledCamera]:
        """Up to `most` cameras whose ids follow `after`, by id."""
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(self._sql.list_cameras, force, after, most, CANARY)
        return [EnrolledCamera(**row) for row in rows]

    async def snapshot(self, force: str) -> tuple[int, list[EnrolledCamera]]:
        """The version, and all cameras of a force by id, as of one moment."""
        async with in_forces(self._pool, force) as connection:
            rows = [dict(row) for row in await connection.fetch(self._sql.all_cameras, force, CANARY)]
        versions = [row.pop("version") for row in rows]
        return versions[0], [EnrolledCamera(**row) for row in rows if row["camera_id"] is not None]

    async def switch(self, force: str, camera_id: str, *, enabled: bool) -> EnrolledCamera | None:
        """Switch a camera on or off. None: the camera is unknown."""
        async with in_forces(self._pool, force) as connection:
            await connection.execute(self._sql.begin_change)
            row = await connection.fetchrow(self._sql.switch_camera, force, camera_id, enabled)
        await self._announce()
        return EnrolledCamera(**row) if row else None

    async def health(self, force: str, after: str, most: int) -> list[Health]:
        """The health of up to `most` cameras whose ids follow `after`, by id."""
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(self._sql.list_health, force, after, most, CANARY)
        return [_health(row) for row in rows]

    async def add(self, counts: Mapping[CameraKey, CameraCounts]) -> None:
        """Add to the counts of the cameras."""
        async with in_forces(self._pool, {force for force, _ in counts}) as connection:
            delivered = _delivered_columns(counts)
            if delivered[0]:
                await connection.execute(self._sql.add_deliveries, *delivered)
            rejected = _reason_columns([(key, each.rejected) for key, each in counts.items()])
            if rejected[0]:
                await connection.execute(self._sql.add_rejections, *rejected)
            warned = _reason_columns([(key, each.warned) for key, each in counts.items()])
            if warned[0]:
                await connection.execute(self._sql.add_warnings, *warned)

    async def _enrol_and_announce(self, enrolment: Enrolment) -> Enrolled:
        enrolled = await self._enrol(enrolment)
        await self._announce()
        return enrolled

    async def _enrol(self, enrolment: Enrolment) -> Enrolled:
        sql, force, feed = self._sql, enrolment.force, enrolment.feed
        async with in_forces(self._pool, force) as connection:
            # This locks the registry. A simultaneous retry waits here, then finds the first one's result.
            await connection.execute(sql.begin_change)
            earlier = await connection.fetchrow(sql.find_enrolment, force, enrolment.request_id)
            if earlier is not None:
                return _repeated(earlier, enrolment)
            naming = force, feed, enrolment.token_sha256
            token_used = await self._issue_token(connection, naming, replace=enrolment.new_token)
            rows = await connection.fetch(sql.enrol_cameras, force, feed, *_columns(enrolment.cameras))
            _require_no_place_of_mobiles(rows, enrolment.cameras)
            created = sum(row["created"] for row in rows)
            counts = created, len(rows) - created
            await connection.execute(sql.forget_enrolments, force)
            await connection.execute(
                sql.record_enrolment, force, enrolment.request_id, enrolment.digest, *counts
            )
            return Enrolled(*counts, token_used)

    async def _enrol_canary_and_announce(self, force: str, token_sha256: bytes) -> None:
        sql = self._sql
        async with in_forces(self._pool, force) as connection:
            await connection.execute(sql.begin_change)
            await self._issue_token(connection, (force, CANARY, token_sha256), replace=True)
            await connection.fetch(sql.enrol_cameras, force, CANARY, *_columns([_CANARY_CAMERA]))
            # People may have switched off a camera of this name before the name was reserved.
            await connection.execute(sql.switch_camera, force, CANARY, True)
        await self._announce()

    async def _issue_token(
        self, connection: asyncpg.Connection, naming: tuple[str, str, bytes], *, replace: bool
    ) -> bool:
        """Make the feed with the token, or `replace` a known feed's. Returns whether the token is used."""
        if await connection.fetchval(self._sql.create_feed, *naming) is not None:
            return True
        if replace:
            await connection.execute(self._sql.replace_token, *naming)
        return replace

    async def _announce(self) -> None:
        """Notify the replicas of a committed change. When that fails they find the change by polling.

        It runs outside the transaction: PostgreSQL commits transactions that notify one after another.
        """
        try:
            await self._pool.execute(self._sql.announce_change, CHANNEL)
        except Exception as error:
            if not is_transient(error):
                raise
            _log.warning("a registry change was not announced", extra={"cause": cause_of(error)})


def _repeated(earlier: Mapping[str, Any], enrolment: Enrolment) -> Enrolled:
    if earlier["request_sha256"] != enrolment.digest:
        raise AlreadyExists(
            "REQUEST_ID_REUSED",
            "this request_id was used for another enrolment; make a new UUID for each",
            field="request_id",
        )
    return Enrolled(earlier["created"], earlier["updated"], token_used=False)


def _require_no_place_of_mobiles(rows: Sequence[Mapping[str, Any]], cameras: Sequence[CameraChange]) -> None:
    """Raise InvalidInput for a place of a camera that the request does not say is mobile, but that is."""
    mobile = {row["camera_id"] for row in rows if row["kind"] == CAMERA_KIND_MOBILE}
    for index, camera in enumerate(cameras):
        if camera.latitude is not None and camera.camera_id in mobile:
            raise placed_mobile(f"cameras[{index}]")


def _columns(cameras: Sequence[CameraChange]) -> tuple[list[Any], ...]:
    """Columns $3 to $7 of `enrol_cameras`."""
    return (
        [camera.camera_id for camera in cameras],
        [camera.name for camera in cameras],
        [camera.kind for camera in cameras],
        [camera.latitude for camera in cameras],
        [camera.longitude for camera in cameras],
    )


def _delivered_columns(counts: Mapping[CameraKey, CameraCounts]) -> tuple[list[Any], ...]:
    """Columns $1 to $6 of `add_deliveries`."""
    counted = [(key, each) for key, each in counts.items() if each.accepted or each.duplicate]
    return (
        [force for (force, _), _ in counted],
        [camera_id for (_, camera_id), _ in counted],
        [each.accepted for _, each in counted],
        [each.duplicate for _, each in counted],
        [moment(each.last_received_us) for _, each in counted],
        [moment(each.last_captured_us) for _, each in counted],
    )


def _reason_columns(counts: Sequence[tuple[CameraKey, Counter[int]]]) -> tuple[list[Any], ...]:
    """Columns $1 to $4 of `add_rejections` and of `add_warnings`."""
    rows = [
        (force, camera_id, reason, reads)
        for (force, camera_id), reasons in counts
        for reason, reads in reasons.items()
    ]
    return tuple(list(column) for column in zip(*rows, strict=True)) or ([], [], [], [])


def _health(row: Mapping[str, Any]) -> Health:
    return Health(
        row["camera_id"],
        row["accepted"],
        row["duplicate"],
        dict(zip(row["reasons"], row["refused"], strict=True)),
        dict(zip(row["remarks"], row["remarked"], strict=True)),
        row["last_received_at"],
        row["last_captured_at"],
    )
