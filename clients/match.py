"""match's clients: hotlists, and the alerts that they raise."""

from __future__ import annotations

import random
from asyncio import sleep
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Final

import grpc
from gantry.common.v1.read_pb2 import Purpose
from gantry.match.v1 import alert_pb2, hotlist_pb2
from gantry.match.v1.alert_pb2_grpc import AlertServiceStub
from gantry.match.v1.hotlist_pb2_grpc import HotlistServiceStub

from chassis.errors import Fault, fault_from
from clients.answer import answer_of

DEADLINE_SECONDS: Final = 10.0
IMPORT_SECONDS: Final = 3600.0
"""A list of tens of millions takes minutes."""

WATCH_PATIENCE_SECONDS: Final = 60.0
_FIRST_WAIT: Final = 0.1
_MOST_WAIT: Final = 5.0


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
    ) -> hotlist_pb2.ImportHotlistResponse:
        """Import a CSV, in chunks of at most 1 MiB; new reads are matched against it on return.

        After a fault, call again with the same ``request_id``: what was imported is not imported twice.
        """

        async def parts() -> AsyncIterator[hotlist_pb2.ImportHotlistRequest]:
            yield hotlist_pb2.ImportHotlistRequest(header=header)
            async for chunk in chunks:
                yield hotlist_pb2.ImportHotlistRequest(chunk=chunk)

        return await answer_of(self._stub.ImportHotlist(parts(), timeout=deadline))

    async def hotlists(self, force: str) -> list[hotlist_pb2.Hotlist]:
        """The hotlists of a force, by name."""
        request = hotlist_pb2.ListHotlistsRequest(force=force)
        return list((await answer_of(self._stub.ListHotlists(request, timeout=self._deadline))).hotlists)


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
        """Alerts, acknowledgements and signs of life from where `request` says, through restarts of match.

        Each time it comes back with the last token, so nothing is missed or repeated. Raises the fault when
        match stays away for longer than about `patience_seconds`; `away` is called when it was not there.
        """
        following, waited, wait = alert_pb2.SubscribeRequest(), 0.0, _FIRST_WAIT
        following.CopyFrom(request)
        while True:
            try:
                async for response in self.subscribe(following):
                    following.resume_token = response.resume_token
                    waited, wait = 0.0, _FIRST_WAIT
                    yield response
            except Fault as fault:
                if fault.status is not grpc.StatusCode.UNAVAILABLE or waited > patience_seconds:
                    raise
                if away is not None:
                    away()
            pause = random.uniform(wait / 2, wait)  # noqa: S311
            await sleep(pause)
            waited, wait = waited + pause, min(_MOST_WAIT, wait * 2)

    async def subscribe(
        self, request: alert_pb2.SubscribeRequest
    ) -> AsyncIterator[alert_pb2.SubscribeResponse]:
        """One stream, until match or the caller stops."""
        call = self._stub.Subscribe(request)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise fault_from(error) from None
        finally:
            call.cancel()

    async def acknowledge(
        self, force: str, alert_id: str, purpose: Purpose, *, note: str = ""
    ) -> alert_pb2.Acknowledgement:
        """Take an alert in hand; returns the acknowledgement that stands, which may be an earlier one."""
        request = alert_pb2.AcknowledgeRequest(force=force, alert_id=alert_id, purpose=purpose, note=note)
        answer = await answer_of(self._stub.Acknowledge(request, timeout=self._deadline))
        return answer.acknowledgement

    async def status(self, force: str) -> alert_pb2.GetMatchStatusResponse:
        """How far matching is."""
        request = alert_pb2.GetMatchStatusRequest(force=force)
        return await answer_of(self._stub.GetMatchStatus(request, timeout=self._deadline))
