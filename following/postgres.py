"""Lines in PostgreSQL: leases, cursors, and failures. Every write is fenced by the epoch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, NamedTuple

import asyncpg

from chassis.database import in_forces, statements
from following.lease import DesiredState, FencedError, Lease, Move

SQL: Final = statements("following")
LEASE_SECONDS: Final = 10.0
SURE_SECONDS: Final = 7.0
"""The least time that leases hold after a tick: `tend_lines` renews those with less."""
ANSWER_SECONDS: Final = 3.0


class Tended(NamedTuple):
    """A line for which this replica holds the lease. `surplus` is how many of them it has to hand over."""

    lease: Lease
    follows: bool
    surplus: int


class PostgresLines:
    """The rows of lines, as one replica reads and writes them. Every method fails within seconds."""

    def __init__(self, pool: asyncpg.Pool, replica: str) -> None:
        self._pool = pool
        self._replica = replica

    async def tend(self, forces: Sequence[str], *, leaving: bool) -> list[Tended]:
        """Renew the leases, take free lines, and get all that are held: one query for all lines."""
        async with self._connection() as connection:
            lease = timedelta(seconds=LEASE_SECONDS)
            rows = await connection.fetch(SQL.tend_lines, self._replica, forces, lease, leaving)
        return [_tended(row) for row in rows]

    async def others_live(self) -> bool:
        """Whether there is another replica to leave the lines to."""
        async with self._connection() as connection:
            return bool(await connection.fetchval(SQL.others_live, self._replica))

    async def add(self, forces: Iterable[str], lines: Sequence[str], cursors: Sequence[str]) -> None:
        """Make live lines in all these forces where they are missing."""
        forces = list(forces)
        async with self._connection() as connection, in_forces(connection, forces):
            await connection.execute(SQL.add_lines, forces, lines, DesiredState.LIVE, cursors)

    async def release(self, lease: Lease) -> None:
        """Release a lease. Nothing changes when it is lost already."""
        async with self._in_line(lease) as connection:
            await connection.execute(SQL.release_line, *lease.key, lease.epoch, self._replica)

    async def cursors(self, lease: Lease) -> dict[str, int]:
        """The position of each cursor by its name."""
        async with self._in_line(lease) as connection:
            rows = await connection.fetch(SQL.read_cursors, *lease.key)
        return {row["cursor"]: row["position"] for row in rows}

    @asynccontextmanager
    async def moving(self) -> AsyncIterator[Callable[[Move, bool], Awaitable[bool]]]:
        """See `following.cursor.Mover`."""
        async with self._connection() as connection:

            async def move(where: Move, durable: bool) -> bool:
                return bool(await connection.fetchval(SQL.move_line, *where, durable))

            yield move

    async def failing(self, lease: Lease, said: str, heads: Iterable[tuple[str, int]] = ()) -> None:
        """Record that the line fails, and the `heads` of the log by cursor. Raises FencedError."""
        async with self._in_line(lease) as connection:
            await self._fenced(connection, SQL.note_failure, lease, said)
            for cursor, head in heads:
                await connection.execute(SQL.note_head, *lease.key, cursor, head)

    async def recovered(self, lease: Lease) -> None:
        """Record that the line has nothing to process and fails no more. Raises FencedError."""
        async with self._in_line(lease) as connection:
            await self._fenced(connection, SQL.note_recovery, lease)

    async def stopped(self, lease: Lease, reason: str) -> None:
        """Stop the line until a person resumes it. Raises FencedError."""
        async with self._in_line(lease) as connection:
            await self._fenced(connection, SQL.stop_line, lease, reason)

    async def _fenced(
        self, connection: asyncpg.Connection, statement: str, lease: Lease, *values: Any
    ) -> None:
        if await connection.fetchval(statement, *lease.key, lease.epoch, *values) != 1:
            raise FencedError

    @asynccontextmanager
    async def _in_line(self, lease: Lease) -> AsyncIterator[asyncpg.Connection]:
        async with self._connection() as connection, in_forces(connection, lease.force):
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool, closed by force after a time limit or an error.

        A dead server must not hold a line. Ending a transaction after an error could take as long again.
        """
        connection = await self._pool.acquire(timeout=ANSWER_SECONDS)
        cut = asyncio.get_running_loop().call_later(ANSWER_SECONDS, connection.terminate)
        try:
            yield connection
        except FencedError:
            raise
        except BaseException:
            connection.terminate()
            raise
        finally:
            cut.cancel()
            await self._pool.release(connection)


def _tended(row: asyncpg.Record) -> Tended:
    lease = Lease(row["force"], row["line"], row["epoch"], DesiredState(row["state"]))
    return Tended(lease, row["follows"], row["surplus"])
