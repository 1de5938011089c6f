"""The gRPC service of alerts. The guard has judged access and purpose and has written the audit record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import grpc
from gantry.match.v1 import alert_pb2
from gantry.match.v1.alert_pb2_grpc import AlertServiceServicer
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import InvalidInput, NotFound, OutOfRange
from chassis.identity import caller_of
from chassis.pages import PageTokens, page_size
from reads.epoch import moment, timestamp
from services.match.alerts.filtering import wanted
from services.match.alerts.ports import AlertQuery, AlertSource, EventSource
from services.match.alerts.subscriptions import Subscriptions, Update
from services.match.clock import Clock, utc_now

LIST_ALERTS: Final = "gantry.match.v1.AlertService/ListAlerts"
MOST_NOTE: Final = 500
# The length of the longest alert number.
_MOST_DIGITS: Final = 18

Call = grpc.aio.ServicerContext[Any, Any]


class AlertService(AlertServiceServicer):
    """Shows alerts, records acknowledgements, and shows the progress of matching."""

    def __init__(
        self,
        alerts: AlertSource,
        events: EventSource,
        subscriptions: Subscriptions,
        pages: PageTokens,
        clock: Clock = utc_now,
    ) -> None:
        self._alerts = alerts
        self._events = events
        self._subscriptions = subscriptions
        self._pages = pages
        self._clock = clock

    async def Subscribe(
        self, request: alert_pb2.SubscribeRequest, context: Call
    ) -> AsyncIterator[alert_pb2.SubscribeResponse]:
        """See the contract."""
        asked = wanted(request.filter)
        after = await self._start(request)
        async with aclosing(self._subscriptions.follow(request.force, after, asked)) as updates:
            async for update in updates:
                for response in self._responses(update):
                    yield response

    async def ListAlerts(
        self, request: alert_pb2.ListAlertsRequest, context: Call
    ) -> alert_pb2.ListAlertsResponse:
        """See the contract."""
        size = page_size(request.page_size)
        query = self._query(request)
        # One more than the page holds, to know whether there is a next page.
        found = await self._alerts.list(request.force, query, size + 1)
        response = alert_pb2.ListAlertsResponse(alerts=found[:size])
        if len(found) > size:
            last = found[size - 1]
            place = (last.raised_at.ToMicroseconds(), int(last.alert_id))
            response.next_page_token = self._pages.token(LIST_ALERTS, request, place)
        return response

    async def GetAlert(self, request: alert_pb2.GetAlertRequest, context: Call) -> alert_pb2.GetAlertResponse:
        """See the contract."""
        alert = await self._alerts.find(request.force, _alert_number(request.alert_id))
        if alert is None:
            raise _alert_unknown()
        return alert_pb2.GetAlertResponse(alert=alert)

    async def Acknowledge(
        self, request: alert_pb2.AcknowledgeRequest, context: Call
    ) -> alert_pb2.AcknowledgeResponse:
        """See the contract."""
        note, number = _note(request.note), _alert_number(request.alert_id)
        outcome = await self._alerts.acknowledge(
            request.force, number, caller_of(context).name, note, self._clock()
        )
        if outcome is None:
            raise _alert_unknown()
        happening, is_new = outcome
        if is_new:
            self._subscriptions.publish(request.force, [happening])
        return alert_pb2.AcknowledgeResponse(acknowledgement=happening.event.acknowledged)

    async def GetMatchStatus(
        self, request: alert_pb2.GetMatchStatusRequest, context: Call
    ) -> alert_pb2.GetMatchStatusResponse:
        """See the contract."""
        return await self._alerts.status(request.force)

    async def _start(self, request: alert_pb2.SubscribeRequest) -> int:
        """The number after which the subscription starts."""
        if request.earliest:
            return 0
        last = await self._events.last_number(request.force)
        if not request.HasField("after_number"):
            return last
        if request.after_number > last:
            raise OutOfRange(
                "NUMBER_AHEAD",
                "the sequence never reached the number; subscribe from the earliest event",
                field="after_number",
                metadata={"last_number": str(last)},
            )
        return max(0, request.after_number)

    def _responses(self, update: Update) -> Iterator[alert_pb2.SubscribeResponse]:
        if not update.events:
            progress = alert_pb2.AlertProgress(at=timestamp(self._clock()))
            yield alert_pb2.SubscribeResponse(number=update.number, progress=progress)
        for event in update.events:
            yield alert_pb2.SubscribeResponse(number=event.number, event=event)

    def _query(self, request: alert_pb2.ListAlertsRequest) -> AlertQuery:
        raised_from = _time(request, "raised_from")
        raised_to = _time(request, "raised_to")
        if raised_from is not None and raised_to is not None and raised_from >= raised_to:
            raise _time_range_invalid("raised_from is not before raised_to")
        before = None if raised_to is None else (raised_to, 0)
        place = self._pages.place(LIST_ALERTS, request)
        if place is not None:
            raised_at_us, number = place
            before = (moment(int(raised_at_us)), int(number))
        return AlertQuery(request.open_only, raised_from, before, wanted(request.filter))


def _time(request: alert_pb2.ListAlertsRequest, field: str) -> datetime | None:
    if not request.HasField(field):  # type: ignore[arg-type]
        return None
    stamp: Timestamp = getattr(request, field)
    try:
        return moment(stamp.ToMicroseconds())
    except (ValueError, OverflowError):
        raise _time_range_invalid(f"{field} is not a time") from None


def _time_range_invalid(message: str) -> InvalidInput:
    return InvalidInput("TIME_RANGE_INVALID", message, field="raised_from")


def _note(value: str) -> str:
    note = value.strip()
    if len(note) > MOST_NOTE or "\0" in note:
        raise InvalidInput(
            "TEXT_INVALID",
            f"note should have at most {MOST_NOTE} characters, none of them NUL",
            field="note",
        )
    return note


def _alert_number(alert_id: str) -> int:
    if alert_id.isascii() and alert_id.isdecimal() and len(alert_id) <= _MOST_DIGITS:
        return int(alert_id)
    raise _alert_unknown()


def _alert_unknown() -> NotFound:
    return NotFound("ALERT_UNKNOWN", "the force has no alert of that id", field="alert_id")
