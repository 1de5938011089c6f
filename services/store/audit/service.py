"""The gRPC service of the audit trail."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

import grpc
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_UNSPECIFIED, AuditAction
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1 import audit_pb2
from gantry.store.v1.audit_pb2_grpc import AuditServiceServicer

from chassis.errors import InvalidInput
from chassis.identity import caller_of
from chassis.pages import PageTokens, page_size
from policy.purpose import require_purpose
from services.store.audit.chain import AuditEntry
from services.store.audit.trail import AuditRecords, entry_of, verify

SERVICE: Final = "gantry.store.v1.AuditService"
_LIST: Final = f"{SERVICE}/ListAuditRecords"
_LONGEST_SUBJECT: Final = 500
_LONGEST_PERSON: Final = 200
_ACTIONS: Final = frozenset(AuditAction.values()) - {AUDIT_ACTION_UNSPECIFIED}

Call = grpc.aio.ServicerContext[Any, Any]


class AuditService(AuditServiceServicer):
    """Services write records, and people read them."""

    def __init__(self, records: AuditRecords, tokens: PageTokens, without_purpose: Container[int]) -> None:
        """`without_purpose` are the actions whose records may have an empty purpose."""
        self._records = records
        self._tokens = tokens
        self._without_purpose = without_purpose

    async def RecordAudit(
        self, request: audit_pb2.RecordAuditRequest, context: Call
    ) -> audit_pb2.RecordAuditResponse:
        """Write a record of a person's action at a service. The certificate names the service."""
        self._check(request)
        entry = entry_of(
            request.force,
            caller_of(context).name,
            request.person,
            request.action,
            request.purpose,
            request.subject,
        )
        return audit_pb2.RecordAuditResponse(number=await self._records.add(entry))

    async def ListAuditRecords(
        self,
        request: audit_pb2.ListAuditRecordsRequest,
        context: Call,
    ) -> audit_pb2.ListAuditRecordsResponse:
        """A page of a force's trail, newest first."""
        rows, place = page_size(request.page_size), self._tokens.place(_LIST, request)
        entries = await self._records.before(request.force, int(place[0]) if place else None, rows)
        # A chain has no gaps, so the record with number 1 is the last of the listing.
        last = entries[-1][0].number if entries else 1
        return audit_pb2.ListAuditRecordsResponse(
            records=[_record(entry, digest) for entry, digest in entries],
            next_page_token=self._tokens.token(_LIST, request, (last,)) if last > 1 else "",
        )

    async def VerifyAuditChain(
        self,
        request: audit_pb2.VerifyAuditChainRequest,
        context: Call,
    ) -> audit_pb2.VerifyAuditChainResponse:
        """Recompute a force's chain."""
        records, first_broken = await verify(self._records, request.force)
        return audit_pb2.VerifyAuditChainResponse(records=records, first_broken=first_broken)

    def _check(self, request: audit_pb2.RecordAuditRequest) -> None:
        if request.action not in _ACTIONS:
            raise InvalidInput("ACTION_INVALID", "name what the person did", field="action")
        if request.purpose != Purpose() or request.action not in self._without_purpose:
            require_purpose(request.purpose)
        if not 0 < len(request.person) <= _LONGEST_PERSON:
            raise InvalidInput("PERSON_INVALID", "name the person as in their certificate", field="person")
        if len(request.subject) > _LONGEST_SUBJECT:
            raise InvalidInput(
                "SUBJECT_INVALID", f"a subject has at most {_LONGEST_SUBJECT} characters", field="subject"
            )


def _record(entry: AuditEntry, digest: bytes) -> audit_pb2.AuditRecord:
    record = audit_pb2.AuditRecord(
        number=entry.number,
        service=entry.service,
        person=entry.person,
        action=AuditAction.ValueType(entry.action),
        purpose=Purpose(
            code=entry.code,
            reference=entry.reference,
            justification=entry.justification,
            approval_id=entry.approval_id,
        ),
        subject=entry.subject,
        hash=digest,
    )
    record.recorded_at.FromMicroseconds(entry.recorded_at_us)
    return record
