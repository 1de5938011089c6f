"""The RPCs that change and list destinations."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol, TypeAlias

import grpc
from gantry.bridge.v1 import bridge_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from reads.epoch import timestamp
from services.nas_bridge.destinations.destination import (
    Destination,
    DestinationSettings,
    Images,
    Route,
    destination_invalid,
)
from services.nas_bridge.destinations.verbs import Destinations

_Call: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class _OneDestination(Protocol):
    """A request that names one destination."""

    force: str
    destination: str


class DestinationHandlers:
    """Part of `BridgeService`."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations

    async def ListDestinations(
        self, request: bridge_pb2.ListDestinationsRequest, _context: _Call
    ) -> bridge_pb2.ListDestinationsResponse:
        found = await self._destinations.of(request.force)
        return bridge_pb2.ListDestinationsResponse(destinations=map(_destination, found))

    async def AddDestination(
        self, request: bridge_pb2.AddDestinationRequest, _context: _Call
    ) -> bridge_pb2.AddDestinationResponse:
        added = await self._destinations.add(request.force, _settings_in(request.destination))
        return bridge_pb2.AddDestinationResponse(destination=_destination(added))

    async def PauseDestination(
        self, request: bridge_pb2.PauseDestinationRequest, _context: _Call
    ) -> bridge_pb2.PauseDestinationResponse:
        paused = await self._destinations.pause(_route(request))
        return bridge_pb2.PauseDestinationResponse(destination=_destination(paused))

    async def ResumeDestination(
        self, request: bridge_pb2.ResumeDestinationRequest, _context: _Call
    ) -> bridge_pb2.ResumeDestinationResponse:
        resumed = await self._destinations.resume(_route(request))
        return bridge_pb2.ResumeDestinationResponse(destination=_destination(resumed))

    async def RetireDestination(
        self, request: bridge_pb2.RetireDestinationRequest, _context: _Call
    ) -> bridge_pb2.RetireDestinationResponse:
        retired = await self._destinations.retire(_route(request))
        return bridge_pb2.RetireDestinationResponse(destination=_destination(retired))


def _route(request: _OneDestination) -> Route:
    return Route(request.force, request.destination)


def _settings_in(asked: bridge_pb2.DestinationSettings) -> DestinationSettings:
    usual = DestinationSettings("", "")
    return DestinationSettings(
        name=asked.name,
        adapter=asked.adapter,
        options=dict(asked.options),
        images=_images_in(asked.images) if asked.images else usual.images,
        identity=asked.identity,
        server_name=asked.server_name,
        most_reads=asked.most_reads or usual.most_reads,
        timeout_seconds=asked.timeout_seconds or usual.timeout_seconds,
    )


def _images_in(asked: int) -> Images:
    try:
        return Images(asked)
    except ValueError:
        raise destination_invalid("images", "should be one of DestinationImages") from None


def _destination(found: Destination) -> bridge_pb2.Destination:
    line = found.line
    return bridge_pb2.Destination(
        name=found.settings.name,
        state=bridge_pb2.ForwarderState.ValueType(line.actual),
        position=line.position,
        head=max(line.head, line.position),
        delivered=found.delivered,
        dead_letters=found.dead_letters,
        last_delivered_at=_timestamp(found.last_delivered_at),
        last_error=line.last_error,
        failing_since=_timestamp(line.failing_since),
        desired_state=bridge_pb2.DestinationState.ValueType(line.state),
        paused=line.paused,
        stopped_reason=line.stopped_reason,
        settings=_settings(found.settings),
    )


def _settings(settings: DestinationSettings) -> bridge_pb2.DestinationSettings:
    return bridge_pb2.DestinationSettings(
        name=settings.name,
        adapter=settings.adapter,
        options=settings.options,
        images=bridge_pb2.DestinationImages.ValueType(settings.images),
        identity=settings.identity,
        server_name=settings.server_name,
        most_reads=settings.most_reads,
        timeout_seconds=settings.timeout_seconds,
    )


def _timestamp(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else timestamp(moment)
