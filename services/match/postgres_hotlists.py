"""Hotlists in PostgreSQL: loads that are filled, sealed, activated, read into the index, and dropped."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.match.copy_format import COLUMNS, KeyColumn
from services.match.index import Keys
from services.match.live_index import ActiveLoads, Load
from services.match.postgres import SQL, Fenced, in_force, in_locked_force

# Tens of millions of lines take minutes; beyond an hour something is stuck.
_BULK_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Sealed:
    """A closed load: entries that stayed, and lines that a later line with the same plate replaced."""

    entries: int
    repeated: int


@dataclass(frozen=True, slots=True)
class Activation:
    """What becomes of a load: the hotlist it is the next version of, and on whose behalf."""

    force: str
    name: str
    near_matches: bool
    request_id: UUID
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """What an earlier import with the same request id answered, for which hotlist."""

    name: str
    answer: bytes


class AlreadyImported(Exception):  # noqa: N818 - not an error: the import is done
    """Another call imported the same request meanwhile."""


class LoadInProgress:
    """A load that this process fills. Its session's lock keeps it from being cleared away."""

    def __init__(self, connection: asyncpg.Connection, force: str, load_no: int) -> None:
        self._connection = connection
        self._force = force
        self.load_no = load_no

    async def fill(self, rows: AsyncIterable[bytes]) -> None:
        """Take rows in the form of `services.match.copy_format.copy_text`."""
        await self._connection.copy_to_table(
            f"entries_{self.load_no}", source=rows, columns=COLUMNS, format="text", timeout=_BULK_SECONDS
        )

    async def seal(self) -> Sealed:
        """Close the load; it can then be read."""
        async with self._connection.transaction():
            await self._connection.execute(SQL["declare_force"], self._force)
            row = await self._connection.fetchrow(SQL["seal_load"], self.load_no, timeout=_BULK_SECONDS)
        return Sealed(row["entries"], row["repeated"])

    async def activate(self, activation: Activation, entries: int, answer: Callable[[int], bytes]) -> bytes:
        """Make the load a hotlist's next version and note the answer for that version.

        When it returns, no read can be passed over any more that was not matched against the load. Raises
        AlreadyImported when another call with the same request id was first.
        """
        order = activation
        async with in_locked_force(self._connection, self._force):
            hotlist_no, version = await self._connection.fetchrow(
                SQL["replace_hotlist"],
                *(order.force, order.name, self.load_no, order.near_matches, entries, order.at, order.person),
            )
            noted = answer(version)
            try:
                await self._connection.execute(
                    SQL["record_import"], order.force, order.request_id, hotlist_no, noted
                )
            except asyncpg.UniqueViolationError:
                raise AlreadyImported from None
            await self._connection.execute(SQL["next_generation"], order.force)
        return noted


class PostgresHotlists:
    """The hotlists of all forces, and the loads behind them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def begin(self, force: str) -> AsyncIterator[LoadInProgress]:
        """Begin a load; it stays only if it was activated."""
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                await connection.execute(SQL["declare_force"], force)
                load_no = await connection.fetchval(SQL["begin_load"], force)
            # The pool lets go of the load's lock when it takes the connection back.
            yield LoadInProgress(connection, force, load_no)

    async def answered(self, force: str, request_id: UUID) -> Answered | None:
        """What an earlier import with this request id answered."""
        async with in_force(self._pool, force) as connection:
            row = await connection.fetchrow(SQL["find_import"], force, request_id)
        return None if row is None else Answered(row["name"], row["answer"])

    async def list(self, force: str) -> Sequence[asyncpg.Record]:
        """The hotlists of a force, by name: the fields of ``gantry.match.v1.Hotlist``."""
        async with in_force(self._pool, force) as connection:
            rows: Sequence[asyncpg.Record] = await connection.fetch(SQL["list_hotlists"], force)
        return rows

    async def drop_unused(self, force: str) -> int:
        """Drop loads that were replaced or left behind; returns how many had to stay for now."""
        async with in_force(self._pool, force) as connection:
            unused = await connection.fetch(SQL["list_unused_loads"], force)
        dropped = 0
        for row in unused:
            async with in_force(self._pool, force) as connection:
                dropped += await connection.fetchval(SQL["drop_load"], row["load_no"])
        return len(unused) - dropped

    async def active_loads(self, force: str) -> ActiveLoads:
        """What the force's reads have to be matched against now."""
        async with in_force(self._pool, force) as connection:
            rows = await connection.fetch(SQL["list_loads"], force)
        loads = (Load(row["load_no"], row["entries"]) for row in rows if row["load_no"] is not None)
        return ActiveLoads(rows[0]["generation"], tuple(loads))

    async def folded_keys(self, force: str, load: Load) -> Keys:
        """The folded keys of a load. Raises Fenced when it was replaced and dropped meanwhile."""
        column = KeyColumn(load.entries)
        async with in_force(self._pool, force) as connection:
            await connection.copy_from_query(
                SQL["read_folded_keys"],
                load.load_no,
                output=column.write,
                format="binary",
                timeout=_BULK_SECONDS,
            )
        try:
            return column.finish()
        except ValueError:
            raise Fenced from None
