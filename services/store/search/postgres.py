"""Finding single reads in PostgreSQL, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gantry.common.v1.read_pb2 import Read, ReadDetails
from gantry.store.v1.store_pb2 import StoredRead

from chassis.database import statements
from services.store.audit.postgres import ForceRows
from services.store.days import day_of
from services.store.images.objects import object_key
from services.store.images.packing import unpack_ref
from services.store.log.columns import NO_HEADING, NO_PLACE

_E7: Final = 10_000_000
_SQL: Final = statements("services.store.search")

Place = tuple[int, int, int]
"""captured_at_us, force_no and position: the order of search results."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where the images of a read are."""

    key: str
    offset: int
    patch_bytes: int
    overview_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """A stored read, its place in the order of results, and its images."""

    read: StoredRead
    place: Place
    image: ImagePlace


@dataclass(frozen=True, slots=True)
class PlateQuery:
    """A plate in a half-open range of time of capture."""

    forces: tuple[str, ...]
    vrm: str
    from_us: int
    to_us: int


class Lookups:
    """Reads of the forces that are named, and of no other."""

    def __init__(self, rows: ForceRows) -> None:
        self._rows = rows

    async def search(self, query: PlateQuery, below: Place, rows: int) -> Sequence[Found]:
        """Up to `rows` reads below a place, newest first."""
        codes = {await self._rows.number_of(force): force for force in query.forces}
        async with self._rows.transaction(",".join(query.forces)) as connection:
            found = await connection.fetch(
                _SQL.search_reads, [*codes], query.vrm, query.from_us, query.to_us, *below, rows
            )
        return [_found(row, codes[row["force_no"]]) for row in found]

    async def at(self, force: str, position: int) -> Found | None:
        """The read at a position."""
        number = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            row = await connection.fetchrow(_SQL.read_at, number, position)
        return None if row is None else _found(row, force)

    async def named(self, force: str, read_id: str) -> Found | None:
        """The newest read with a vendor's identifier."""
        number = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            row = await connection.fetchrow(_SQL.read_named, number, read_id)
        return None if row is None else _found(row, force)


def _found(row: Mapping[str, Any], force: str) -> Found:
    offset, patch_bytes, overview_bytes = unpack_ref(row["image"])
    stored = StoredRead(
        read=_read(row, force),
        position=row["position"],
        plate_patch_bytes=patch_bytes,
        overview_bytes=overview_bytes,
        traceparent=row["traceparent"],
    )
    stored.received_at.FromMicroseconds(row["received_at_us"])
    key = object_key(force, day_of(row["captured_at_us"]), row["image_object"])
    place = (row["captured_at_us"], row["force_no"], row["position"])
    return Found(stored, place, ImagePlace(key, offset, patch_bytes, overview_bytes))


def _read(row: Mapping[str, Any], force: str) -> Read:
    read = Read(
        force=force,
        camera_id=row["camera_id"],
        read_id=row["read_id"],
        vrm=row["vrm"],
        confidence=row["confidence"],
    )
    read.captured_at.FromMicroseconds(row["captured_at_us"])
    if row["latitude_e7"] != NO_PLACE and row["longitude_e7"] != NO_PLACE:
        read.position.latitude = row["latitude_e7"] / _E7
        read.position.longitude = row["longitude_e7"] / _E7
    if row["heading"] != NO_HEADING:
        read.heading = row["heading"]
    if row["details"]:
        read.details.CopyFrom(ReadDetails.FromString(row["details"]))
    return read
