"""The bridge's gRPC face: check what arrived, ask the records, answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias

import grpc
from gantry.bridge.v1 import bridge_pb2
from gantry.bridge.v1.bridge_pb2_grpc import BridgeServiceServicer
from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1.audit_pb2 import AuditAction
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import InvalidInput, NotFound
from chassis.identity import caller_of
from services.nas_bridge.pages import PageToken
from services.nas_bridge.records import DeadLetter, ForwarderStatus, KeptReceipt, Records, Route, State

_DEFAULT_PAGE: Final = 100
_MOST_PAGE: Final = 1_000
_REASON_LENGTHS: Final = range(3, 501)
_MOST_REFERENCE: Final = 100

_Call: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class AuditTrail(Protocol):
    """Who looked at what; `clients.store.AuditClient` is one."""

    async def record(
        self, force: str, person: str, action: AuditAction.ValueType, purpose: Purpose, subject: str
    ) -> int:
        """Write a record, durable on return. Raises Fault, and then nothing may be shown."""


class BridgeService(BridgeServiceServicer):
    """State of the forwarders, their receipts and their dead letters."""

    def __init__(
        self, records: Records, audit: AuditTrail, destinations_of: Mapping[str, Sequence[str]]
    ) -> None:
        self._records = records
        self._audit = audit
        self._destinations_of = destinations_of

    async def ListDestinations(
        self, request: bridge_pb2.ListDestinationsRequest, context: _Call
    ) -> bridge_pb2.ListDestinationsResponse:
        caller_of(context).require_force(request.force)
        known = self._destinations_of.get(request.force, ())
        statuses = await self._records.forwarders(request.force) if known else []
        shown = [_destination(status) for status in statuses if status.destination in known]
        return bridge_pb2.ListDestinationsResponse(destinations=shown)

    async def ListDeadLetters(
        self, request: bridge_pb2.ListDeadLettersRequest, context: _Call
    ) -> bridge_pb2.ListDeadLettersResponse:
        caller = caller_of(context)
        caller.require_force(request.force)
        route = self._route(request.force, request.destination)
        _check_purpose(request.purpose)
        size = _page_size(request.page_size)
        token = PageToken.read(request.page_token, route)
        await self._audit.record(
            route.force,
            caller.name,
            AuditAction.AUDIT_ACTION_VIEW_DEAD_LETTERS,
            request.purpose,
            route.destination,
        )
        letters = await self._records.dead_letters(route, token.before, size + 1)
        page = letters[:size]
        following = PageToken(route, page[-1].position).text() if len(letters) > size else ""
        return bridge_pb2.ListDeadLettersResponse(
            dead_letters=[_dead_letter(letter) for letter in page], next_page_token=following
        )

    async def GetReceipt(
        self, request: bridge_pb2.GetReceiptRequest, context: _Call
    ) -> bridge_pb2.GetReceiptResponse:
        caller_of(context).require_force(request.force)
        route = self._route(request.force, request.destination)
        receipt = await self._records.receipt(route, request.position)
        if receipt is None:
            raise NotFound("RECEIPT_ABSENT", "no receipt covers this position; it may not be delivered yet")
        return _receipt(receipt)

    def _route(self, force: str, destination: str) -> Route:
        if destination not in self._destinations_of.get(force, ()):
            raise NotFound(
                "DESTINATION_UNKNOWN",
                "this force's reads go to no destination of that name",
                field="destination",
            )
        return Route(force, destination)


def _check_purpose(purpose: Purpose) -> None:
    if len(purpose.reason.strip()) not in _REASON_LENGTHS or len(purpose.reference) > _MOST_REFERENCE:
        raise InvalidInput(
            "PURPOSE_REQUIRED",
            "give a reason of 3 to 500 characters, and a reference of at most 100",
            field="purpose",
        )


def _page_size(asked: int) -> int:
    if asked > _MOST_PAGE:
        raise InvalidInput("PAGE_SIZE_INVALID", f"page_size should be 0 to {_MOST_PAGE}", field="page_size")
    return asked or _DEFAULT_PAGE


def _destination(status: ForwarderStatus) -> bridge_pb2.Destination:
    return bridge_pb2.Destination(
        name=status.destination,
        state=bridge_pb2.ForwarderState.ValueType(status.state),
        position=status.position,
        head=max(status.head, status.position),
        delivered=status.delivered,
        dead_letters=status.dead_letters,
        last_delivered_at=_timestamp(status.last_delivered_at),
        last_error=status.last_error,
        # A forwarder that was just claimed anew runs; whether it still fails will show.
        failing_since=None if status.state is State.RUNNING else _timestamp(status.failing_since),
    )


def _dead_letter(letter: DeadLetter) -> bridge_pb2.DeadLetter:
    return bridge_pb2.DeadLetter(
        position=letter.position,
        camera_id=letter.name.camera_id,
        read_id=letter.name.read_id,
        captured_at=_timestamp(letter.name.captured_at),
        reason=letter.reason,
        message=letter.message,
        refused_at=_timestamp(letter.refused_at),
    )


def _receipt(receipt: KeptReceipt) -> bridge_pb2.GetReceiptResponse:
    return bridge_pb2.GetReceiptResponse(
        receipt_id=receipt.receipt_id,
        first_position=receipt.first_position,
        last_position=receipt.last_position,
        accepted=receipt.accepted,
        duplicate=receipt.duplicate,
        refused=receipt.refused,
        received_at=_timestamp(receipt.received_at),
        traceparent=receipt.traceparent,
    )


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
