"""The lag of lines as metrics show it: computed from rows and the log's head, at one replica each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from chassis.database import in_forces, statements

_SQL: Final = statements("following")

Heads = Callable[[Collection[str]], Awaitable[Mapping[str, int]]]
"""The last position of the log of each of these forces, as far as the log's owner tells it now."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line that follows, or would if it were neither paused nor stopped.

    `lag` counts the reads after its cursor. `failing_seconds` is 0 while it gets on.
    """

    force: str
    line: str
    lag: int
    paused: bool
    stopped: bool
    failing_seconds: float


class ShownLines:
    """Reads the lines that one replica shows."""

    def __init__(self, pool: asyncpg.Pool, replica: str, heads: Heads) -> None:
        self._pool = pool
        self._replica = replica
        self._heads = heads

    async def read(self, forces: Collection[str]) -> list[ShownLine]:
        """The lines of these forces that this replica shows now.

        While the log's owner does not answer, the head is the last one that the line knew.
        """
        async with in_forces(self._pool, forces, readonly=True) as connection:
            rows = await connection.fetch(_SQL.shown_lines, self._replica)
        heads = await self._heads({row["force"] for row in rows}) if rows else {}
        return [_shown(row, heads.get(row["force"], 0)) for row in rows]


def _shown(row: asyncpg.Record, head: int) -> ShownLine:
    lag = max(head, row["head"]) - row["position"]
    return ShownLine(
        row["force"], row["line"], max(0, lag), row["paused"], row["stopped"], row["failing_seconds"]
    )
