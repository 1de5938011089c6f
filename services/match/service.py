"""match's gRPC face: check who asks and why, record it, ask the domain, answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

import grpc
from gantry.common.v1.read_pb2 import Purpose
from gantry.match.v1 import alert_pb2, hotlist_pb2
from gantry.match.v1.alert_pb2_grpc import AlertServiceServicer
from gantry.match.v1.hotlist_pb2_grpc import HotlistServiceServicer
from gantry.store.v1.audit_pb2 import (
    AUDIT_ACTION_ACKNOWLEDGE_ALERT,
    AUDIT_ACTION_IMPORT_HOTLIST,
    AUDIT_ACTION_VIEW_ALERTS,
)

from chassis.errors import Fault, InvalidInput, NotFound
from chassis.identity import Caller, caller_of
from services.match.feed import Feed, Step
from services.match.importing import HotlistImports, ImportOrder
from services.match.matching import timestamp
from services.match.places import Place, place_of
from services.match.ports import AuditTrail, Clock, utc_now
from services.match.postgres import PostgresMatching
from services.match.postgres_alerts import PostgresAlerts
from services.match.postgres_hotlists import PostgresHotlists
from services.match.tolerance import Tolerance

MOST_CHUNK_BYTES: Final = 1 << 20
MOST_NAME: Final = 100
MOST_NOTE: Final = 500
_CHUNK_SECONDS: Final = 60.0

Call = grpc.aio.ServicerContext[Any, Any]
ImportParts = AsyncIterator[hotlist_pb2.ImportHotlistRequest]


class HotlistService(HotlistServiceServicer):
    """Imports and lists hotlists."""

    def __init__(
        self,
        imports: HotlistImports,
        hotlists: PostgresHotlists,
        feeds: Mapping[str, Feed],
        audit: AuditTrail,
    ) -> None:
        self._imports = imports
        self._hotlists = hotlists
        self._feeds = feeds
        self._audit = audit

    async def ImportHotlist(self, request_iterator: Any, context: Call) -> hotlist_pb2.ImportHotlistResponse:
        """See the contract."""
        parts = aiter(request_iterator)
        header = await _header(parts)
        person = _permitted(context, header.force, self._feeds).name
        order = _order(header, person)
        _require_purpose(header.purpose)
        await self._audit.record(
            header.force, person, AUDIT_ACTION_IMPORT_HOTLIST, header.purpose, header.name
        )
        return await self._imports.run(order, _chunks(parts))

    async def ListHotlists(
        self, request: hotlist_pb2.ListHotlistsRequest, context: Call
    ) -> hotlist_pb2.ListHotlistsResponse:
        """See the contract."""
        _permitted(context, request.force, self._feeds)
        rows = await self._hotlists.list(request.force)
        return hotlist_pb2.ListHotlistsResponse(hotlists=[_hotlist(row) for row in rows])


class AlertService(AlertServiceServicer):
    """Shows alerts, records who takes them in hand, tells how far matching is."""

    def __init__(
        self,
        alerts: PostgresAlerts,
        matching: PostgresMatching,
        feeds: Mapping[str, Feed],
        audit: AuditTrail,
        clock: Clock = utc_now,
    ) -> None:
        self._alerts = alerts
        self._matching = matching
        self._feeds = feeds
        self._audit = audit
        self._clock = clock

    async def Subscribe(
        self, request: alert_pb2.SubscribeRequest, context: Call
    ) -> AsyncIterator[alert_pb2.SubscribeResponse]:
        """See the contract."""
        force = request.force
        person = _permitted(context, force, self._feeds).name
        _require_purpose(request.purpose)
        place = await self._start(request)
        await self._audit.record(force, person, AUDIT_ACTION_VIEW_ALERTS, request.purpose, "alerts")
        async with aclosing(self._feeds[force].follow(place)) as steps:
            async for step in steps:
                for response in self._responses(force, step):
                    yield response

    async def Acknowledge(
        self, request: alert_pb2.AcknowledgeRequest, context: Call
    ) -> alert_pb2.AcknowledgeResponse:
        """See the contract."""
        person = _permitted(context, request.force, self._feeds).name
        _require_purpose(request.purpose)
        note = _text(request.note, "note", 0, MOST_NOTE)
        number = _alert_number(request.alert_id)
        await self._audit.record(
            request.force, person, AUDIT_ACTION_ACKNOWLEDGE_ALERT, request.purpose, f"alert {number}"
        )
        stands = await self._alerts.acknowledge(request.force, number, person, note, self._clock())
        return alert_pb2.AcknowledgeResponse(acknowledgement=stands)

    async def GetMatchStatus(
        self, request: alert_pb2.GetMatchStatusRequest, context: Call
    ) -> alert_pb2.GetMatchStatusResponse:
        """See the contract."""
        _permitted(context, request.force, self._feeds)
        status = await self._matching.status(request.force)
        return alert_pb2.GetMatchStatusResponse(
            position=status.position,
            head=status.head,
            alerts_raised=status.alerts_raised,
            alerts_open=status.alerts_open,
            entries=status.entries,
        )

    async def _start(self, request: alert_pb2.SubscribeRequest) -> Place:
        last = await self._alerts.last_number(request.force)
        if request.HasField("resume_token"):
            return place_of(request.resume_token, request.force, last).resumed(last)
        return Place.after(0 if request.earliest else last, last)

    def _responses(self, force: str, step: Step) -> Iterator[alert_pb2.SubscribeResponse]:
        if not step.events:
            sign = alert_pb2.Progress(at=timestamp(self._clock()))
            yield alert_pb2.SubscribeResponse(progress=sign, resume_token=step.place.token(force))
        for event in step.events:
            token = step.place.at(event.number).token(force)
            if isinstance(event.what, alert_pb2.Alert):
                yield alert_pb2.SubscribeResponse(alert=event.what, resume_token=token)
            else:
                yield alert_pb2.SubscribeResponse(acknowledgement=event.what, resume_token=token)


def _hotlist(row: Mapping[str, Any]) -> hotlist_pb2.Hotlist:
    return hotlist_pb2.Hotlist(**{**row, "activated_at": timestamp(row["activated_at"])})


def _permitted(context: Call, force: str, served: Mapping[str, object]) -> Caller:
    caller = caller_of(context)
    caller.require_force(force)
    if force not in served:
        raise NotFound("FORCE_UNKNOWN", "this service does not serve the force", field="force")
    return caller


def _require_purpose(purpose: Purpose) -> None:
    if not 3 <= len(purpose.reason.strip()) <= 500 or len(purpose.reference) > 100:
        raise InvalidInput(
            "PURPOSE_REQUIRED",
            "give a purpose: a reason of 3 to 500 characters, a reference of at most 100",
            field="purpose",
        )


def _text(value: str, field: str, least: int, most: int) -> str:
    text = value.strip()
    if not least <= len(text) <= most or "\0" in text:
        raise InvalidInput(
            "TEXT_INVALID", f"{field} should have {least} to {most} characters, none of them NUL", field=field
        )
    return text


def _alert_number(alert_id: str) -> int:
    if alert_id.isascii() and alert_id.isdecimal() and len(alert_id) <= 18:
        return int(alert_id)
    raise NotFound("ALERT_UNKNOWN", "the force has no alert of that id", field="alert_id")


async def _header(parts: ImportParts) -> hotlist_pb2.ImportHeader:
    first = await _next(parts)
    if first is None or not first.HasField("header"):
        raise InvalidInput("HOTLIST_INVALID", "the first message should be the header", field="header")
    return first.header


def _order(header: hotlist_pb2.ImportHeader, person: str) -> ImportOrder:
    try:
        request_id = UUID(header.request_id)
    except ValueError:
        raise InvalidInput(
            "HOTLIST_INVALID", "request_id should be a UUID", field="header.request_id"
        ) from None
    if not header.name.isprintable() or not 1 <= len(header.name.strip()) <= MOST_NAME:
        raise InvalidInput(
            "HOTLIST_INVALID", f"name should have 1 to {MOST_NAME} printable characters", field="header.name"
        )
    return ImportOrder(
        header.force,
        header.name.strip(),
        header.near_matches,
        request_id,
        person,
        _tolerance(header),
        header.allow_empty,
    )


def _tolerance(header: hotlist_pb2.ImportHeader) -> Tolerance | None:
    if not header.HasField("max_rejected_percent"):
        return None
    if header.max_rejected_percent > 100:
        raise InvalidInput(
            "HOTLIST_INVALID",
            "max_rejected_percent should be 0 to 100",
            field="header.max_rejected_percent",
        )
    return Tolerance(header.max_rejected_percent)


async def _chunks(parts: ImportParts) -> AsyncIterator[bytes]:
    while (part := await _next(parts)) is not None:
        if not part.HasField("chunk") or len(part.chunk) > MOST_CHUNK_BYTES:
            raise InvalidInput(
                "HOTLIST_INVALID", "after the header only chunks of at most 1 MiB may follow", field="chunk"
            )
        yield part.chunk


async def _next(parts: ImportParts) -> hotlist_pb2.ImportHotlistRequest | None:
    try:
        async with asyncio.timeout(_CHUNK_SECONDS):
            return await anext(parts, None)
    except TimeoutError:
        raise Fault(
            grpc.StatusCode.DEADLINE_EXCEEDED, "CHUNK_LATE", "no chunk came for a minute; import again"
        ) from None
