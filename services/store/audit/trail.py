"""The audit trail: the port to its records, its check, and the auditor of the store itself."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Final, Protocol

from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_RESTORE

from services.store.audit.chain import AuditEntry, ChainCheck, HashedEntry

ITSELF: Final = "store"
"""The service named in the records of what people do at the store."""

_ROWS_AT_ONCE: Final = 1_000


class AuditRecords(Protocol):
    """The records of all forces, a chain for each. Each method raises NotFound FORCE_UNKNOWN."""

    async def add(self, entry: AuditEntry, *, known: bool = True) -> int:
        """Add a record, durable on return, and return the number that it got.

        `number` and `recorded_at_us` of the entry are replaced. With `known` False the force need not exist.
        """

    async def before(self, force: str, number: int | None, rows: int) -> Sequence[HashedEntry]:
        """Up to `rows` records below a number, newest first. None: from the newest record."""

    async def after(self, force: str, number: int, rows: int) -> Sequence[HashedEntry]:
        """Up to `rows` records above a number, oldest first."""

    async def end(self, force: str) -> tuple[int, bytes]:
        """Number and hash of the newest record as the chain holds them; 0 and START before the first."""


async def verify(records: AuditRecords, force: str) -> tuple[int, int]:
    """Records that continue the chain, and the number of the first that does not, or 0."""
    # Records that are written during the check are not part of it.
    end_number, end_hash = await records.end(force)
    check = ChainCheck()
    while check.checked < end_number:
        entries = await records.after(force, check.checked, min(_ROWS_AT_ONCE, end_number - check.checked))
        if not entries or not check.holds(entries):
            return check.checked, check.checked + 1
    return check.checked, 0 if check.ends_at(end_number, end_hash) else check.checked + 1


class OwnAuditor:
    """Records what people do at the store: the auditor of the store's guard."""

    def __init__(self, records: AuditRecords, creating: Container[tuple[int, bool]]) -> None:
        """`creating`: (action, has a purpose) of the records about a force that need not exist yet."""
        self._records = records
        self._creating = creating

    async def record(self, force: str, person: str, action: int, purpose: Any, subject: str) -> int:
        """Write a record; it is durable on return, with this number. Raises NotFound FORCE_UNKNOWN."""
        entry = entry_of(force, ITSELF, person, action, purpose, subject)
        return await self._records.add(entry, known=(action, purpose is not None) not in self._creating)


async def restored_record(records: AuditRecords, force: str, subject: str) -> int:
    """Record that the database was restored. Nobody called an RPC for it: the person is the command."""
    return await records.add(entry_of(force, ITSELF, "gantry restore", AUDIT_ACTION_RESTORE, None, subject))


def entry_of(  # noqa: PLR0917
    force: str, service: str, person: str, action: int, purpose: Any, subject: str
) -> AuditEntry:
    """An entry to add. `purpose` has the fields of gantry.common.v1.Purpose; None is an empty one."""
    if purpose is None:
        return AuditEntry(force, 0, 0, service, person, action, "", "", "", "", subject)
    return AuditEntry(
        force,
        number=0,
        recorded_at_us=0,
        service=service,
        person=person,
        action=action,
        code=purpose.code,
        reference=purpose.reference,
        justification=purpose.justification,
        approval_id=purpose.approval_id,
        subject=subject,
    )
