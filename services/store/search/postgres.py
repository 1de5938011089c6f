"""The reads in the buffer, found in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gantry.store.v1.search_pb2 import StoredRead

from chassis.database import statements
from reads.epoch import timestamp
from reads.read import read_of
from reads.traced import traceparent_at
from services.store.days import day_of
from services.store.images.objects import object_key
from services.store.images.packing import unpack_ref
from services.store.postgres import ForceRows
from services.store.search.find import Found, ImagePlace, Named, Place, PlateQuery

_SQL: Final = statements("services.store.search")


class PostgresReads:
    """Finds reads. A connection is held for one query, not from page to page."""

    def __init__(self, rows: ForceRows) -> None:
        self._rows = rows

    async def search(self, query: PlateQuery, below: Place, rows: int) -> Sequence[Found]:
        """Up to `rows` reads below a place, newest first."""
        codes = {await self._rows.number_of(force): force for force in query.forces}
        async with self._rows.transaction(query.forces) as connection:
            found = await connection.fetch(
                _SQL.search_reads, [*codes], query.vrm, query.from_us, query.to_us, *below, rows
            )
        return [_found(row, codes[row["force_no"]]) for row in found]

    async def at(self, force: str, position: int) -> Found | None:
        """The read at a position."""
        rows = await self._rows_of(_SQL.read_at, force, position)
        return _found(rows[0], force) if rows else None

    async def named(self, force: str, read_id: str, camera_id: str, rows: int) -> Named:
        """Up to `rows` reads with a vendor's identifier, of one camera if `camera_id` names it."""
        found = await self._rows_of(_SQL.read_named, force, read_id, camera_id, rows)
        return Named([_found(row, force) for row in found], found[0]["named"] if found else 0)

    async def _rows_of(
        self, statement: str, force: str, *arguments: int | str
    ) -> Sequence[Mapping[str, Any]]:
        number = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            rows: Sequence[Mapping[str, Any]] = await connection.fetch(statement, number, *arguments)
        return rows


def _found(row: Mapping[str, Any], force: str) -> Found:
    offset, patch_bytes, overview_bytes = unpack_ref(row["image"])
    stored = StoredRead(
        read=read_of(force, row),
        position=row["position"],
        received_at=timestamp(row["received_at_us"]),
        plate_patch_bytes=patch_bytes,
        overview_bytes=overview_bytes,
        traceparent=traceparent_at(row["traceparent"], row["position"] - row["first_position"]),
    )
    key = object_key(force, day_of(row["captured_at_us"]), row["image_object"])
    place = (row["captured_at_us"], row["force_no"], row["position"])
    return Found(stored, place, ImagePlace(key, offset, patch_bytes, overview_bytes))
