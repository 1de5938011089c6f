"""The gRPC face for people: enrol, list and switch cameras, see how they are doing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from gantry.ingest.v1 import cameras_pb2 as pb
from gantry.ingest.v1.cameras_pb2_grpc import CameraHealthServiceServicer, CameraRegistryServiceServicer
from gantry.ingest.v1.ingest_pb2 import RejectionReason

from anpr.force import is_force
from anpr.identifiers import is_camera_id, is_feed
from chassis.errors import InvalidInput, NotFound
from chassis.identity import caller_of
from services.ingest.cameras import (
    CameraRegistry,
    Enrolled,
    Enrolment,
    Health,
    camera_invalid,
    camera_message,
    cameras_from,
)
from services.ingest.registry import token_key

_TOKEN_PREFIX: Final = "gf_"  # noqa: S105 - lets a scanner recognise a leaked one
_TOKEN_BYTES: Final = 32
_USUAL_PAGE, _MOST_PAGE = 100, 1_000

T = TypeVar("T")


class AuditTrail(Protocol):
    """Where it is written down who changed cameras."""

    async def record(self, force: str, person: str, reason: str, subject: str) -> None:
        """Write a record; durable when it returns. Raises Fault."""


class CameraRegistryService(CameraRegistryServiceServicer):
    """Enrols, lists and switches cameras, each for people of their force.

    `changed` is awaited after a change, so that whoever made it can deliver at once.
    """

    def __init__(
        self, registry: CameraRegistry, audit: AuditTrail, changed: Callable[[], Awaitable[None]]
    ) -> None:
        self._registry = registry
        self._audit = audit
        self._changed = changed

    async def EnrolCameras(self, request: pb.EnrolCamerasRequest, context: Any) -> pb.EnrolCamerasResponse:
        """Enrol cameras on a feed."""
        person = _person(request.force, context)
        token = _TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        enrolment = _enrolment(request, token)
        count = len(enrolment.cameras)
        reason = f"enrol {count} camera{'' if count == 1 else 's'}"
        await self._audit.record(request.force, person, reason, f"feed {request.feed}")
        enrolled = await self._registry.enrol(enrolment)
        await self._changed()
        return _enrolled_message(enrolled, token)

    async def ListCameras(self, request: pb.ListCamerasRequest, context: Any) -> pb.ListCamerasResponse:
        """List the cameras of a force."""
        _person(request.force, context)
        after, size = _page(request.force, request.page_token, request.page_size)
        cameras = await self._registry.cameras(request.force, after, size + 1)
        page, token = _cut(request.force, cameras, size, lambda camera: camera.camera_id)
        return pb.ListCamerasResponse(cameras=map(camera_message, page), next_page_token=token)

    async def SetCameraEnabled(
        self, request: pb.SetCameraEnabledRequest, context: Any
    ) -> pb.SetCameraEnabledResponse:
        """Switch a camera on or off."""
        person = _person(request.force, context)
        if not is_camera_id(request.camera_id):
            raise _unknown_camera()
        reason = "switch a camera on" if request.enabled else "switch a camera off"
        await self._audit.record(request.force, person, reason, f"camera {request.camera_id}")
        camera = await self._registry.switch(request.force, request.camera_id, enabled=request.enabled)
        if camera is None:
            raise _unknown_camera()
        await self._changed()
        return pb.SetCameraEnabledResponse(camera=camera_message(camera))


class CameraHealthService(CameraHealthServiceServicer):
    """Tells people of a force how its cameras are doing."""

    def __init__(self, registry: CameraRegistry) -> None:
        self._registry = registry

    async def ListCameraHealth(
        self, request: pb.ListCameraHealthRequest, context: Any
    ) -> pb.ListCameraHealthResponse:
        """What each camera has delivered."""
        _person(request.force, context)
        after, size = _page(request.force, request.page_token, request.page_size)
        found = await self._registry.health(request.force, after, size + 1)
        page, token = _cut(request.force, found, size, lambda health: health.camera_id)
        return pb.ListCameraHealthResponse(cameras=map(_health_message, page), next_page_token=token)


def _person(force: str, context: Any) -> str:
    """The caller's name, when the force is theirs."""
    caller = caller_of(context)
    caller.require_force(force)
    if not is_force(force):
        raise InvalidInput("FORCE_INVALID", "name a force by its code, for example essex", field="force")
    return caller.name


def _enrolment(request: pb.EnrolCamerasRequest, token: str) -> Enrolment:
    if not is_feed(request.feed):
        raise camera_invalid("feed", "should be 1 to 64 of letters, digits, dot, dash, underscore")
    try:
        request_id = UUID(request.request_id)
    except ValueError:
        raise camera_invalid("request_id", "should be a UUID of yours, new for each enrolment") from None
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    return Enrolment(
        request.force,
        request.feed,
        cameras_from(request.cameras),
        request.new_token,
        request_id,
        digest,
        token_key(token),
    )


def _enrolled_message(enrolled: Enrolled, token: str) -> pb.EnrolCamerasResponse:
    shown = token if enrolled.token_used else ""
    return pb.EnrolCamerasResponse(token=shown, created=enrolled.created, updated=enrolled.updated)


def _health_message(health: Health) -> pb.CameraHealth:
    message = pb.CameraHealth(
        camera_id=health.camera_id, accepted=health.accepted, duplicate=health.duplicate
    )
    for reason, count in health.rejected.items():
        message.rejected.add(reason=RejectionReason.ValueType(reason), count=count)
    for field, moment in (
        (message.last_received_at, health.last_received_at),
        (message.last_captured_at, health.last_captured_at),
    ):
        if isinstance(moment, datetime):
            field.FromDatetime(moment)
    return message


def _page(force: str, token: str, size: int) -> tuple[str, int]:
    """The camera to start after, and how many to show."""
    if size > _MOST_PAGE:
        raise InvalidInput("PAGE_SIZE_INVALID", f"page_size should be 1 to {_MOST_PAGE}", field="page_size")
    return _after(force, token) if token else "", size or _USUAL_PAGE


def _after(force: str, token: str) -> str:
    try:
        named, _, camera_id = base64.urlsafe_b64decode(token.encode()).decode().partition("/")
    except (binascii.Error, UnicodeError):
        named = camera_id = ""
    if named != force or not is_camera_id(camera_id):
        raise InvalidInput(
            "PAGE_TOKEN_INVALID",
            "use next_page_token of the page before, with the same force",
            field="page_token",
        )
    return camera_id


def _cut(force: str, found: Sequence[T], size: int, name: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """The page, and the token of the next if there is more."""
    if len(found) <= size:
        return found, ""
    page = found[:size]
    return page, base64.urlsafe_b64encode(f"{force}/{name(page[-1])}".encode()).decode()


def _unknown_camera() -> NotFound:
    return NotFound("CAMERA_UNKNOWN", "the force has no camera with this id", field="camera_id")
