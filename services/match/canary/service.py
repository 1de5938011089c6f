"""The gRPC service of the canary. The guard has judged access."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

import grpc
from gantry.match.v1 import canary_pb2
from gantry.match.v1.alert_pb2 import AlertEvent
from gantry.match.v1.canary_pb2_grpc import CanaryServiceServicer

from reads.canary import canary_sequence
from services.match.alerts.ports import EventSource
from services.match.alerts.subscriptions import Subscriptions
from services.match.canary.preparing import CanaryHotlists

Call = grpc.aio.ServicerContext[Any, Any]


class CanaryService(CanaryServiceServicer):
    """Prepares the hotlists that canaries hit, and shows the alerts that canaries raise."""

    def __init__(self, hotlists: CanaryHotlists, events: EventSource, subscriptions: Subscriptions) -> None:
        self._hotlists = hotlists
        self._events = events
        self._subscriptions = subscriptions

    async def PrepareCanary(
        self, request: canary_pb2.PrepareCanaryRequest, context: Call
    ) -> canary_pb2.PrepareCanaryResponse:
        """See the contract."""
        await self._hotlists.prepare(request.force)
        return canary_pb2.PrepareCanaryResponse()

    async def WatchCanary(
        self, request: canary_pb2.WatchCanaryRequest, context: Call
    ) -> AsyncIterator[canary_pb2.WatchCanaryResponse]:
        """See the contract."""
        sequence = canary_sequence(request.force)
        after = await self._events.last_number(sequence)
        # From here on every alert is sent, also one that is raised before the subscription begins.
        yield canary_pb2.WatchCanaryResponse()
        async with aclosing(self._subscriptions.follow(sequence, after, of_a_person=False)) as updates:
            async for update in updates:
                yield canary_pb2.WatchCanaryResponse(alerts=_alerts(update.events))


def _alerts(events: Iterable[AlertEvent]) -> list[canary_pb2.CanaryAlert]:
    raised = (event.raised for event in events)
    return [canary_pb2.CanaryAlert(read_id=alert.read.read_id, raised_at=alert.raised_at) for alert in raised]
