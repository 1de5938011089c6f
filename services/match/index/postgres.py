"""The loads of active hotlists in PostgreSQL, as an index needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from anpr.confusable import Keys
from chassis.database import allow_long_statements, in_forces, statements
from reads.canary import CANARY
from services.match.index.key_column import KeyColumn
from services.match.index.live_index import Load, LoadDroppedError

SQL: Final = statements("services.match.index")
# Reading tens of millions of keys takes minutes. After an hour something is stuck.
_BULK_SECONDS: Final = 3600.0


class PostgresKeys:
    """See `services.match.index.live_index.KeySource`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def active_loads(self, force: str) -> Sequence[Load]:
        """The loads of the force's active hotlists."""
        async with in_forces(self._pool, force) as connection:
            rows = await connection.fetch(SQL["list_loads"], force, CANARY)
        return [Load(**row) for row in rows]

    async def folded_keys(self, force: str, load: Load) -> Keys:
        """The folded keys of a load, in no order. Raises LoadDroppedError."""
        column = KeyColumn(load.entries)
        async with in_forces(self._pool, force) as connection:
            await allow_long_statements(connection, _BULK_SECONDS)
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
            raise LoadDroppedError from None
