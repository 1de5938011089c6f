"""The gRPC services of forces and of the directory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

import grpc
from gantry.store.v1 import forces_pb2
from gantry.store.v1.forces_pb2_grpc import DirectoryServiceServicer, ForceServiceServicer

from chassis.errors import InvalidInput
from chassis.identity import caller_of
from services.store.forces.force import ALWAYS_REGISTERED, Directory, Force, Forces, NewForce
from services.store.forces.settings import settings_from, settings_message
from services.store.forces.watching import DirectoryFeed

FORCES: Final = "gantry.store.v1.ForceService"
DIRECTORY: Final = "gantry.store.v1.DirectoryService"
_LONGEST_NAME: Final = 100
_LONGEST_CONSUMER: Final = 64

Call = grpc.aio.ServicerContext[Any, Any]


class ForceService(ForceServiceServicer):
    """Creates, lists, changes and retires forces."""

    def __init__(self, forces: Forces) -> None:
        self._forces = forces

    async def CreateForce(
        self,
        request: forces_pb2.CreateForceRequest,
        context: Call,
    ) -> forces_pb2.CreateForceResponse:
        """Create a force and register its consumers."""
        created = await self._forces.create(_new_force(request))
        return forces_pb2.CreateForceResponse(force=_message(created))

    async def ListForces(
        self, request: forces_pb2.ListForcesRequest, context: Call
    ) -> forces_pb2.ListForcesResponse:
        """The forces of a person; for a service, all of them."""
        caller = caller_of(context)
        forces = (await self._forces.directory()).forces
        return forces_pb2.ListForcesResponse(
            forces=[
                _message(force)
                for force in forces
                if (caller.kind == "service" or force.code in caller.forces)
                and (request.include_retired or force.retired_at is None)
            ]
        )

    async def RetireForce(
        self,
        request: forces_pb2.RetireForceRequest,
        context: Call,
    ) -> forces_pb2.RetireForceResponse:
        """Retire a force."""
        return forces_pb2.RetireForceResponse(force=_message(await self._forces.retire(request.force)))

    async def ChangeForce(
        self,
        request: forces_pb2.ChangeForceRequest,
        context: Call,
    ) -> forces_pb2.ChangeForceResponse:
        """Replace the settings of a force."""
        changed = await self._forces.change(request.force, settings_from(request.settings))
        return forces_pb2.ChangeForceResponse(force=_message(changed))


class DirectoryService(DirectoryServiceServicer):
    """Sends the directory to every service."""

    def __init__(self, feed: DirectoryFeed) -> None:
        self._feed = feed

    async def Watch(
        self,
        request: forces_pb2.WatchRequest,
        context: Call,
    ) -> AsyncIterator[forces_pb2.WatchResponse]:
        """The directory, then again after each change, with progress in between."""
        async with aclosing(self._feed.watch()) as messages:
            async for message in messages:
                yield _watch_response(message)


def _new_force(request: forces_pb2.CreateForceRequest) -> NewForce:
    name = request.name or request.force
    if len(name) > _LONGEST_NAME or not name.isprintable() or not name.strip():
        raise InvalidInput(
            "NAME_INVALID", f"a name has 1 to {_LONGEST_NAME} printable characters", field="name"
        )
    return NewForce(request.force, name, _consumers(request.consumers), _request_id(request.request_id))


def _consumers(asked: Sequence[str]) -> Sequence[str]:
    for consumer in asked:
        if not 0 < len(consumer) <= _LONGEST_CONSUMER or not consumer.isprintable():
            raise InvalidInput(
                "CONSUMER_INVALID",
                f"a consumer's name has 1 to {_LONGEST_CONSUMER} printable characters",
                field="consumers",
            )
    return tuple(dict.fromkeys((*ALWAYS_REGISTERED, *asked)))


def _request_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput(
            "REQUEST_ID_INVALID", "give a UUID of yours, new for each force", field="request_id"
        ) from None


def _watch_response(message: Directory | int) -> forces_pb2.WatchResponse:
    if isinstance(message, int):
        return forces_pb2.WatchResponse(revision=message, progress=forces_pb2.DirectoryProgress())
    forces = [_message(force) for force in message.forces]
    return forces_pb2.WatchResponse(revision=message.revision, directory=forces_pb2.Directory(forces=forces))


def _message(force: Force) -> forces_pb2.Force:
    retired = force.retired_at is not None
    message = forces_pb2.Force(
        code=force.code,
        name=force.name,
        state=forces_pb2.FORCE_STATE_RETIRED if retired else forces_pb2.FORCE_STATE_ACTIVE,
        settings=settings_message(force.settings),
    )
    message.created_at.FromDatetime(force.created_at)
    if force.retired_at is not None:
        message.retired_at.FromDatetime(force.retired_at)
    return message
