"""The audit records in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any, Final

import asyncpg

from chassis.database import finished, in_forces, statements
from chassis.errors import NotFound
from services.store.audit.chain import START, AuditEntry, HashedEntry

_PAST_ALL: Final = 2**63 - 1
_SQL: Final = statements("services.store.audit")


class PostgresAuditRecords:
    """Writes and reads the chains. The lock on the row of a chain orders its records."""

    def __init__(self, pool: asyncpg.Pool, now_us: Callable[[], int]) -> None:
        self._pool = pool
        self._now_us = now_us

    async def add(self, entry: AuditEntry, *, known: bool = True) -> int:
        """Add a record, durable on return, and return the number that it got."""
        return await finished(self._add(entry, known=known))

    async def before(self, force: str, number: int | None, rows: int) -> Sequence[HashedEntry]:
        """Up to `rows` records below a number, newest first. None: from the newest record."""
        below = _PAST_ALL if number is None else number
        return await self._entries(_SQL.audit_records_before, force, below, rows)

    async def after(self, force: str, number: int, rows: int) -> Sequence[HashedEntry]:
        """Up to `rows` records above a number, oldest first."""
        return await self._entries(_SQL.audit_records_after, force, number, rows)

    async def end(self, force: str) -> tuple[int, bytes]:
        """Number and hash of the newest record as the chain holds them; 0 and START before the first."""
        async with in_forces(self._pool, force) as connection:
            return await _end(connection, force)

    async def _add(self, entry: AuditEntry, *, known: bool) -> int:
        """Add a record in one statement: a process that is frozen before or after it holds no chain."""
        _force, _number, _at, *content = astuple(entry)
        number = await self._pool.fetchval(
            _SQL.add_audit_record, entry.force, known, self._now_us(), *content
        )
        if number is None:
            raise _unknown()
        return int(number)

    async def _entries(self, statement: str, force: str, number: int, rows: int) -> list[HashedEntry]:
        async with in_forces(self._pool, force) as connection:
            await _end(connection, force)
            found = await connection.fetch(statement, force, number, rows)
        return [(AuditEntry(*values), digest) for *values, digest in found]


async def _end(connection: Any, force: str) -> tuple[int, bytes]:
    return _known(await connection.fetchrow(_SQL.audit_chain, force, START))


def _known(chain: Any) -> tuple[int, bytes]:
    if chain is None:
        raise _unknown()
    return chain["number"], chain["hash"]


def _unknown() -> NotFound:
    return NotFound("FORCE_UNKNOWN", "there is no such force", field="force")
