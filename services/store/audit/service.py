"""The audit trail's gRPC face."""

from __future__ import annotations

from typing import Any, Final

import grpc
from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1 import audit_pb2
from gantry.store.v1.audit_pb2_grpc import AuditServiceServicer

from chassis.errors import InvalidInput
from chassis.identity import caller_of
from services.store.audit.chain import AuditEntry
from services.store.audit.postgres import AuditTrail
from services.store.audit.purpose import require_purpose
from services.store.pages import page_size, page_token, place_of

SERVICE: Final = "gantry.store.v1.AuditService"
_LONGEST_SUBJECT: Final = 500
_LONGEST_PERSON: Final = 200
_ACTIONS: Final = frozenset(audit_pb2.AuditAction.values()) - {audit_pb2.AUDIT_ACTION_UNSPECIFIED}

Call = grpc.aio.ServicerContext[Any, Any]


class AuditService(AuditServiceServicer):
    """Lets services write and people read."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def RecordAudit(
        self, request: audit_pb2.RecordAuditRequest, context: Call
    ) -> audit_pb2.RecordAuditResponse:
        """Write what a service did for a person."""
        _check_record(request)
        number = await self._trail.record(
            request.force,
            caller_of(context).name,
            request.person,
            request.action,
            request.purpose,
            request.subject,
        )
        return audit_pb2.RecordAuditResponse(number=number)

    async def ListAuditRecords(
        self, request: audit_pb2.ListAuditRecordsRequest, context: Call
    ) -> audit_pb2.ListAuditRecordsResponse:
        """A page of a force's trail, newest first."""
        caller_of(context).require_force(request.force)
        query = ("audit", request.force)
        rows, place = page_size(request.page_size), place_of(request.page_token, query, 1)
        entries = await self._trail.before(request.force, place[0] if place else None, rows)
        more = len(entries) == rows
        return audit_pb2.ListAuditRecordsResponse(
            records=[_record(entry, digest) for entry, digest in entries],
            next_page_token=page_token(query, (entries[-1][0].number,)) if more else "",
        )

    async def VerifyAuditChain(
        self, request: audit_pb2.VerifyAuditChainRequest, context: Call
    ) -> audit_pb2.VerifyAuditChainResponse:
        """Recompute a force's chain."""
        caller_of(context).require_force(request.force)
        records, first_broken = await self._trail.verify(request.force)
        return audit_pb2.VerifyAuditChainResponse(records=records, first_broken=first_broken)


def _check_record(request: audit_pb2.RecordAuditRequest) -> None:
    require_purpose(request.purpose)
    if request.action not in _ACTIONS:
        raise InvalidInput("ACTION_INVALID", "name what the person did", field="action")
    if not 0 < len(request.person) <= _LONGEST_PERSON or "\0" in request.person:
        raise InvalidInput("PERSON_INVALID", "name the person as in their certificate", field="person")
    if len(request.subject) > _LONGEST_SUBJECT or "\0" in request.subject:
        raise InvalidInput(
            "SUBJECT_INVALID", f"a subject has at most {_LONGEST_SUBJECT} characters", field="subject"
        )


def _record(entry: AuditEntry, digest: bytes) -> audit_pb2.AuditRecord:
    record = audit_pb2.AuditRecord(
        number=entry.number,
        service=entry.service,
        person=entry.person,
        action=audit_pb2.AuditAction.ValueType(entry.action),
        purpose=Purpose(reason=entry.reason, reference=entry.reference),
        subject=entry.subject,
        hash=digest,
    )
    record.recorded_at.FromMicroseconds(entry.recorded_at_us)
    return record
