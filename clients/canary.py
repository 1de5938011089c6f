"""Clients of the canary: match for its hotlist and for the alerts of canaries, ingest for its feed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import grpc
from gantry.ingest.v1.cameras_pb2 import EnrolCanaryRequest
from gantry.ingest.v1.cameras_pb2_grpc import CameraRegistryServiceStub
from gantry.match.v1 import canary_pb2
from gantry.match.v1.canary_pb2_grpc import CanaryServiceStub

from clients.answer import answer_of, answers_of

DEADLINE_SECONDS: Final = 10.0
PREPARE_SECONDS: Final = 60.0
"""The import of the canary's hotlist may wait for those of people."""


class CanaryClient:
    """Calls as the service "canary", whose certificate opened `channel`. Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = PREPARE_SECONDS) -> None:
        self._stub = CanaryServiceStub(channel)
        self._deadline = deadline

    async def prepare(self, force: str) -> None:
        """Have the canary's entry in its hotlist. It may be called again at any time.

        Canaries stored after the return are matched against it.
        """
        request = canary_pb2.PrepareCanaryRequest(force=force)
        await answer_of(self._stub.PrepareCanary(request, timeout=self._deadline))

    async def watch(self, force: str) -> AsyncGenerator[canary_pb2.WatchCanaryResponse, None]:
        """The alerts that canaries of a force raise after the first message, until match or the caller stops.

        The first message has no alert and comes when the stream has begun; then one comes at least every 10
        seconds. Raises Unavailable STOPPING.
        """
        request = canary_pb2.WatchCanaryRequest(force=force)
        async with aclosing(answers_of(self._stub.WatchCanary(request))) as responses:
            async for response in responses:
                yield response


class CanaryFeedClient:
    """Calls ingest's registry as the service "canary". Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = CameraRegistryServiceStub(channel)
        self._deadline = deadline

    async def enrol(self, force: str) -> str:
        """Enrol the canary of a force and return the token of its feed. Earlier tokens stop working."""
        request = EnrolCanaryRequest(force=force)
        return (await answer_of(self._stub.EnrolCanary(request, timeout=self._deadline))).token
