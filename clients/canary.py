"""The clients with which the canary prepares its alerts and its feed, and watches its alerts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import grpc
from gantry.ingest.v1.cameras_pb2 import EnrolCanaryRequest
from gantry.ingest.v1.cameras_pb2_grpc import CameraRegistryServiceStub
from gantry.match.v1.canary_pb2 import PrepareCanaryRequest, WatchCanaryRequest, WatchCanaryResponse
from gantry.match.v1.canary_pb2_grpc import CanaryServiceStub

from clients.answer import answer_of, answers_of

DEADLINE_SECONDS: Final = 10.0


class CanaryClient:
    """Calls match with the certificate that opened `channel`. Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = CanaryServiceStub(channel)
        self._deadline = deadline

    async def prepare(self, force: str) -> None:
        """Put the canary's entry into its hotlist, unless it is there. This may be repeated."""
        request = PrepareCanaryRequest(force=force)
        await answer_of(self._stub.PrepareCanary(request, timeout=self._deadline))

    def watch(self, force: str) -> AsyncGenerator[WatchCanaryResponse, None]:
        """Alerts of canaries from now on, with keep-alives, until match or the caller stops."""
        return answers_of(self._stub.WatchCanary(WatchCanaryRequest(force=force)))


class CanaryFeedClient:
    """Calls ingest's registry with the certificate that opened `channel`. Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = CameraRegistryServiceStub(channel)
        self._deadline = deadline

    async def enrol(self, force: str) -> str:
        """Enrol the canary of a force and return the token of its feed. Earlier tokens stop working."""
        request = EnrolCanaryRequest(force=force)
        return (await answer_of(self._stub.EnrolCanary(request, timeout=self._deadline))).token
