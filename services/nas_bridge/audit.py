"""Write audit records into the store's trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1.audit_pb2 import AuditAction, RecordAuditRequest

from chassis.errors import fault_from
from services.nas_bridge.records import Route

if TYPE_CHECKING:
    from gantry.store.v1.audit_pb2_grpc import AuditServiceAsyncStub


class StoreAuditor:
    """See `services.nas_bridge.service.Auditor`."""

    def __init__(self, audit: AuditServiceAsyncStub) -> None:
        self._audit = audit

    async def viewed_dead_letters(self, route: Route, person: str, purpose: Purpose) -> None:
        """Record the look; durable when it returns. Raises Fault."""
        request = RecordAuditRequest(
            force=route.force,
            person=person,
            action=AuditAction.AUDIT_ACTION_VIEW_DEAD_LETTERS,
            purpose=purpose,
            subject=route.destination,
        )
        try:
            await self._audit.RecordAudit(request)
        except grpc.aio.AioRpcError as error:
            raise fault_from(error) from None
