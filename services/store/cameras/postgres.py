"""Numbers and names of cameras in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chassis.database import statements
from services.store.postgres import ForceRows

_SQL: Final = statements("services.store.cameras")


class CameraNumbers:
    """The cameras of one force, remembered: a number and its name never change."""

    def __init__(self, rows: ForceRows, force: str, force_no: int) -> None:
        self._rows = rows
        self._force = force
        self._force_no = force_no
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}

    async def numbers_of(self, camera_ids: Sequence[str]) -> list[int]:
        """A number for each camera; a new camera gets a new number."""
        try:
            return [self._numbers[camera_id] for camera_id in camera_ids]
        except KeyError:
            await self._give_out([*camera_ids])
            return [self._numbers[camera_id] for camera_id in camera_ids]

    async def names_of(self, connection: Any, numbers: Sequence[int]) -> Mapping[int, str]:
        """Names by number, at least of `numbers`. `connection` is in a transaction that sees the force."""
        missing = [*set(numbers).difference(self._names)]
        if missing:
            rows = await connection.fetch(_SQL.camera_names, self._force_no, missing)
            self._names.update((row["camera_no"], row["camera_id"]) for row in rows)
        return self._names

    async def _give_out(self, camera_ids: list[str]) -> None:
        # Two transactions: the second sees the numbers that another replica assigned meanwhile.
        for statement in (_SQL.add_cameras, _SQL.camera_numbers):
            async with self._rows.transaction(self._force) as connection:
                rows = await connection.fetch(statement, self._force_no, camera_ids)
        self._numbers.update((row["camera_id"], row["camera_no"]) for row in rows)
