"""The audit trail in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Final, Protocol

from gantry.common.v1.read_pb2 import Purpose

from chassis.database import finished, statements
from services.store.audit.chain import AuditEntry, ChainCheck, chained

_VERIFY_ROWS: Final = 1_000
_PAST_ALL: Final = 2**63 - 1
_SQL: Final = statements("services.store.audit")


class ForceRows(Protocol):
    """The way to a force's rows."""

    async def number_of(self, force: str) -> int:
        """The number of a force, made if it is new."""

    def transaction(self, forces: str) -> AbstractAsyncContextManager[Any]:
        """A connection that sees the rows of `forces` (codes joined by commas) and of no other."""


class AuditTrail:
    """Writes and reads the chains."""

    def __init__(self, rows: ForceRows, now_us: Callable[[], int]) -> None:
        self._rows = rows
        self._now_us = now_us

    async def record(  # noqa: PLR0917
        self, force: str, service: str, person: str, action: int, purpose: Purpose, subject: str
    ) -> int:
        """Write a record; it is durable on return, with this number."""
        number = await self._rows.number_of(force)
        entry = AuditEntry(force, 0, 0, service, person, action, purpose.reason, purpose.reference, subject)
        return await finished(self._add(number, entry))

    async def before(self, force: str, number: int | None, rows: int) -> Sequence[tuple[AuditEntry, bytes]]:
        """Up to `rows` records below a number (None: the newest), newest first, with their hashes."""
        below = _PAST_ALL if number is None else number
        return await self._entries(_SQL.audit_records_before, force, below, rows)

    async def verify(self, force: str) -> tuple[int, int]:
        """Records that continue the chain, and the number of the first that does not, or 0."""
        # What is written meanwhile is not this check's concern.
        end_number, end_hash = await self._end(force)
        check = ChainCheck()
        async for entries in self._all(force):
            if not check.holds(entry for entry in entries if entry[0].number <= end_number):
                return check.checked, check.checked + 1
        return check.checked, 0 if check.ends_at(end_number, end_hash) else check.checked + 1

    async def _add(self, force_no: int, entry: AuditEntry) -> int:
        async with self._rows.transaction(entry.force) as connection:
            chain = await connection.fetchrow(_SQL.lock_audit_chain, force_no)
            entry = replace(entry, number=chain["number"] + 1, recorded_at_us=self._now_us())
            values = (entry.service, entry.person, entry.action, entry.reason, entry.reference, entry.subject)
            await connection.execute(
                _SQL.add_audit_record,
                force_no,
                entry.number,
                entry.recorded_at_us,
                *values,
                chained(chain["hash"], entry),
            )
        return entry.number

    async def _all(self, force: str) -> AsyncIterator[Sequence[tuple[AuditEntry, bytes]]]:
        number = 0
        while entries := await self._entries(_SQL.audit_records_after, force, number, _VERIFY_ROWS):
            yield entries
            number = entries[-1][0].number

    async def _entries(
        self, statement: str, force: str, number: int, rows: int
    ) -> list[tuple[AuditEntry, bytes]]:
        force_no = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            found = await connection.fetch(statement, force_no, number, rows)
        return [(_entry(force, row), row["hash"]) for row in found]

    async def _end(self, force: str) -> tuple[int, bytes]:
        force_no = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            chain = await connection.fetchrow(_SQL.audit_chain, force_no)
        return (chain["number"], chain["hash"]) if chain else (0, ChainCheck().hash)


def _entry(force: str, row: Any) -> AuditEntry:
    return AuditEntry(
        force,
        row["number"],
        row["recorded_at_us"],
        row["service"],
        row["person"],
        row["action"],
        row["reason"],
        row["reference"],
        row["subject"],
    )
