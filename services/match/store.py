"""The store, as matching uses it: its log and its audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import grpc
from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1.audit_pb2 import AuditAction, RecordAuditRequest
from gantry.store.v1.audit_pb2_grpc import AuditServiceStub
from gantry.store.v1.store_pb2 import ReportCursorRequest, TailReadsRequest, TailReadsResponse
from gantry.store.v1.store_pb2_grpc import StoreServiceStub

from chassis.errors import Unavailable, fault_from

CONSUMER: Final = "match"
# The store shows a sign of life every 5 seconds.
SILENCE_SECONDS: Final = 15.0


class StoreLog:
    """See `services.match.ports.ReadLog`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._store = StoreServiceStub(channel)

    async def follow(self, force: str, after: int | None) -> AsyncIterator[TailReadsResponse]:
        """Reads after a position, then new ones as they come; None: from the oldest kept.

        Raises Fault; Unavailable STORE_SILENT when the store has stopped showing signs of life.
        """
        request = TailReadsRequest(force=force, consumer=CONSUMER)
        if after is None:
            request.earliest = True
        else:
            request.after_position = after
        call = self._store.TailReads(request)
        try:
            # What is no response is the end of the stream.
            while isinstance(response := await _next(call), TailReadsResponse):
                yield response
        except grpc.aio.AioRpcError as error:
            raise fault_from(error) from None
        finally:
            call.cancel()

    async def report(self, force: str, position: int) -> None:
        """Say that everything up to `position` is durably dealt with. Raises Fault."""
        request = ReportCursorRequest(force=force, consumer=CONSUMER, position=position)
        try:
            await self._store.ReportCursor(request)
        except grpc.aio.AioRpcError as error:
            raise fault_from(error) from None


class StoreAuditTrail:
    """See `services.match.ports.AuditTrail`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._audit = AuditServiceStub(channel)

    async def record(
        self, force: str, person: str, action: AuditAction.ValueType, purpose: Purpose, subject: str
    ) -> None:
        """Write a record; durable when it returns. Raises Fault."""
        request = RecordAuditRequest(
            force=force, person=person, action=action, purpose=purpose, subject=subject
        )
        try:
            await self._audit.RecordAudit(request)
        except grpc.aio.AioRpcError as error:
            raise fault_from(error) from None


async def _next(call: grpc.aio.UnaryStreamCall[TailReadsRequest, TailReadsResponse]) -> object:
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            return await call.read()
    except TimeoutError:
        raise Unavailable("STORE_SILENT", "the store showed no sign of life for 15 seconds") from None
