"""The calls of the services over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from gantry.ingest.v1.ingest_pb2 import RejectionReason, SubmittedRead

from clients.canary import CanaryClient, CanaryFeedClient
from reads.canary import CANARY, CANARY_VRM
from services.canary.door import Door
from services.canary.ports import Canary, RejectedError

_REASON: Final = "REJECTION_REASON_"


class GrpcCalls:
    """Implements `Calls`."""

    def __init__(self, alerts: CanaryClient, feeds: CanaryFeedClient, door: Door) -> None:
        self.prepare = alerts.prepare
        self.enrol = feeds.enrol
        self._alerts = alerts
        self._door = door

    async def send(self, token: str, canary: Canary) -> None:
        """Deliver a canary. Raises Unauthenticated for the token, RejectedError."""
        ack = await self._door.submit(token, read_of(canary))
        if ack.rejections:
            name = RejectionReason.Name(ack.rejections[0].reason)
            raise RejectedError(name.removeprefix(_REASON))

    async def watch(self, force: str) -> AsyncGenerator[Sequence[str], None]:
        """The read_ids of canaries whose alerts were raised, from now on, with empty keep-alives."""
        async with aclosing(self._alerts.watch(force)) as responses:
            async for response in responses:
                yield [alert.read_id for alert in response.alerts]


def read_of(canary: Canary) -> SubmittedRead:
    """The read that a canary is."""
    read = SubmittedRead(
        camera_id=CANARY, read_id=canary.read_id, vrm=CANARY_VRM, confidence=1.0, force=canary.force
    )
    read.captured_at.FromMicroseconds(canary.captured_at)
    return read
