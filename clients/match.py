"""match's clients: hotlists, and the alerts that they raise."""

from __future__ import annotations

from asyncio import InvalidStateError, ensure_future, sleep, wait
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import grpc
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.match.v1 import alert_pb2, hotlist_pb2
from gantry.match.v1.alert_pb2_grpc import AlertServiceStub
from gantry.match.v1.hotlist_pb2_grpc import HotlistServiceStub

from chassis.backoff import Backoff
from chassis.errors import INTERNAL_TEXT, Fault
from clients.answer import answer_of, answers_of

DEADLINE_SECONDS: Final = 10.0
IMPORT_SECONDS: Final = 3600.0
"""A list of tens of millions takes minutes."""

_GENTLE_CHUNKS: Final = 8
_GENTLE_SECONDS: Final = 0.5

WATCH_PATIENCE_SECONDS: Final = 60.0
_FIRST_WAIT: Final = 0.2
_MOST_WAIT: Final = 5.0
# After a stream that brought an event the next one is opened at once, but never in a tight loop.
_PAUSE_SECONDS: Final = 0.05


class HotlistClient:
    """Calls as the person whose certificate opened `channel`. Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = HotlistServiceStub(channel)
        self._deadline = deadline

    async def import_csv(
        self,
        header: hotlist_pb2.ImportHeader,
        chunks: AsyncIterable[bytes],
        *,
        deadline: float = IMPORT_SECONDS,
        gently: bool = False,
    ) -> hotlist_pb2.ImportHotlistResponse:
        """Import a CSV, in chunks of at most 1 MiB. Reads stored after the return are matched against it.

        After a fault, call again with the same ``request_id``: the import is done once. After a fault that
        `is_unspoken`, call again `gently`: then it waits between the first chunks, and so hears
        an early refusal.
        """
        call = self._stub.ImportHotlist(timeout=deadline)
        sending = ensure_future(_send(call, header, chunks, _GENTLE_CHUNKS if gently else 0))
        try:
            return await answer_of(call)
        finally:
            sending.cancel()
            await wait([sending])
            if not sending.cancelled() and (error := sending.exception()) is not None:
                raise error

    async def hotlists(self, force: str) -> list[hotlist_pb2.Hotlist]:
        """The hotlists of a force, by name."""
        request = hotlist_pb2.ListHotlistsRequest(force=force)
        return list((await answer_of(self._stub.ListHotlists(request, timeout=self._deadline))).hotlists)


def is_unspoken(fault: Fault) -> bool:
    """Whether gRPC made up this fault because a server ended the call while a message was under way to it.

    What the server had to say is lost then.
    """
    return fault.status is grpc.StatusCode.INTERNAL and fault.message != INTERNAL_TEXT


async def _send(
    call: grpc.aio.StreamUnaryCall[Any, Any],
    header: hotlist_pb2.ImportHeader,
    chunks: AsyncIterable[bytes],
    gentle_chunks: int,
) -> None:
    """Write the parts of an import until the call has ended; the answer or fault is the call's."""
    ended = ensure_future(call.code())
    try:
        await call.write(hotlist_pb2.ImportHotlistRequest(header=header))
        async for chunk in chunks:
            if ended.done():
                return
            await call.write(hotlist_pb2.ImportHotlistRequest(chunk=chunk))
            if gentle_chunks:
                gentle_chunks -= 1
                await wait([ended], timeout=_GENTLE_SECONDS)
        await call.done_writing()
    except (grpc.aio.AioRpcError, InvalidStateError):
        return
    finally:
        ended.cancel()


class AlertClient:
    """Calls with the certificate that opened `channel`. Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = AlertServiceStub(channel)
        self._deadline = deadline

    async def watch(
        self,
        request: alert_pb2.SubscribeRequest,
        *,
        patience_seconds: float = WATCH_PATIENCE_SECONDS,
        away: Callable[[], None] | None = None,
    ) -> AsyncIterator[alert_pb2.SubscribeResponse]:
        """Events and keep-alives from the start that `request` names, through restarts of match.

        It subscribes again with the last number, so that no event is missed or repeated. `away` is called
        whenever match is unavailable. Raises the fault when match is unavailable for about
        `patience_seconds`.
        """
        following, waited, backoff = alert_pb2.SubscribeRequest(), 0.0, Backoff(_FIRST_WAIT, _MOST_WAIT)
        following.CopyFrom(request)
        while True:
            pause = _PAUSE_SECONDS
            try:
                async with aclosing(self.subscribe(following)) as responses:
                    async for response in responses:
                        following.after_number = response.number
                        waited = 0.0
                        backoff.succeeded()
                        yield response
            except Fault as fault:
                if not fault.may_pass or waited > patience_seconds:
                    raise
                if away is not None:
                    away()
                pause += backoff.next_wait(fault.retry_after)
            waited += pause
            await sleep(pause)

    async def subscribe(
        self, request: alert_pb2.SubscribeRequest
    ) -> AsyncGenerator[alert_pb2.SubscribeResponse, None]:
        """One stream, until match or the caller stops."""
        async with aclosing(answers_of(self._stub.Subscribe(request))) as responses:
            async for response in responses:
                yield response

    async def alerts(
        self,
        force: str,
        purpose: Purpose,
        *,
        open_only: bool = False,
        raised_from: datetime | None = None,
        raised_to: datetime | None = None,
        page_size: int = 0,
        wanted: alert_pb2.AlertFilter | None = None,
    ) -> AsyncIterator[alert_pb2.Alert]:
        """Alerts as they now are, newest first, page after page; each page is audited."""
        request = alert_pb2.ListAlertsRequest(
            force=force, purpose=purpose, open_only=open_only, page_size=page_size, filter=wanted
        )
        if raised_from is not None:
            request.raised_from.FromDatetime(raised_from)
        if raised_to is not None:
            request.raised_to.FromDatetime(raised_to)
        while True:
            page = await answer_of(self._stub.ListAlerts(request, timeout=self._deadline))
            for alert in page.alerts:
                yield alert
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def alert(self, force: str, alert_id: str, purpose: Purpose) -> alert_pb2.Alert:
        """One alert as it now is. Raises NotFound ALERT_UNKNOWN."""
        request = alert_pb2.GetAlertRequest(force=force, alert_id=alert_id, purpose=purpose)
        return (await answer_of(self._stub.GetAlert(request, timeout=self._deadline))).alert

    async def acknowledge(
        self, force: str, alert_id: str, purpose: Purpose, *, note: str = ""
    ) -> alert_pb2.Acknowledgement:
        """Take an alert in hand; returns the acknowledgement that stands, which may be an earlier one."""
        request = alert_pb2.AcknowledgeRequest(force=force, alert_id=alert_id, purpose=purpose, note=note)
        answer = await answer_of(self._stub.Acknowledge(request, timeout=self._deadline))
        return answer.acknowledgement

    async def status(self, force: str) -> alert_pb2.GetMatchStatusResponse:
        """The progress of matching."""
        request = alert_pb2.GetMatchStatusRequest(force=force)
        return await answer_of(self._stub.GetMatchStatus(request, timeout=self._deadline))
