"""The client of the audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import grpc
from gantry.common.v1.audit_action_pb2 import AuditAction
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1 import audit_pb2
from gantry.store.v1.audit_pb2_grpc import AuditServiceStub

from clients.answer import answer_of

DEADLINE_SECONDS: Final = 10.0


class AuditClient:
    """Calls the audit trail with the certificate that opened `channel`. Every method raises Fault.

    `record` has the shape of `chassis.access.Auditor`: a service gives this client to its guard.
    """

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = AuditServiceStub(channel)
        self._deadline = deadline

    async def record(
        self, force: str, person: str, action: int, purpose: Purpose | None, subject: str
    ) -> int:
        """Write a record and return its number; it is durable on return. A repeat writes a second one."""
        request = audit_pb2.RecordAuditRequest(
            force=force,
            person=person,
            action=AuditAction.ValueType(action),
            purpose=purpose,
            subject=subject,
        )
        return (await answer_of(self._stub.RecordAudit(request, timeout=self._deadline))).number

    async def records(self, force: str, *, page_size: int = 0) -> AsyncIterator[audit_pb2.AuditRecord]:
        """A force's records, newest first, page by page."""
        request = audit_pb2.ListAuditRecordsRequest(force=force, page_size=page_size)
        while True:
            page = await answer_of(self._stub.ListAuditRecords(request, timeout=self._deadline))
            for record in page.records:
                yield record
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def verify(self, force: str) -> audit_pb2.VerifyAuditChainResponse:
        """Recompute a force's chain."""
        request = audit_pb2.VerifyAuditChainRequest(force=force)
        return await answer_of(self._stub.VerifyAuditChain(request, timeout=self._deadline))
