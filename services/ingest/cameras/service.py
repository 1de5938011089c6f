"""The RPCs on cameras: enrol, list, switch and watch them, and list their health.

The guard has checked caller, force and audit record before any of these runs.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from gantry.ingest.v1 import cameras_pb2 as pb
from gantry.ingest.v1.cameras_pb2_grpc import CameraHealthServiceServicer, CameraRegistryServiceServicer
from gantry.ingest.v1.ingest_pb2 import RejectionReason, WarningReason

from anpr.identifiers import is_camera_id, is_feed, oddity_of_id
from chassis.errors import NotFound
from chassis.pages import PageTokens, page_size
from reads.canary import CANARY
from services.ingest.cameras.enrolment import (
    CameraRegistry,
    Enrolled,
    Enrolment,
    Health,
    camera_invalid,
    camera_message,
    cameras_from,
    require_not_reserved,
)
from services.ingest.cameras.feeds import token_key
from services.ingest.cameras.watching import CameraWatch

REGISTRY: Final = "gantry.ingest.v1.CameraRegistryService"
HEALTH: Final = "gantry.ingest.v1.CameraHealthService"
_TOKEN_PREFIX: Final = "gf_"  # noqa: S105 - lets a scanner recognise a leaked token
_TOKEN_BYTES: Final = 32

T = TypeVar("T", pb.ListCamerasRequest, pb.ListCameraHealthRequest)
Row = TypeVar("Row")


class CameraRegistryService(CameraRegistryServiceServicer):
    """Enrols, lists, switches and watches cameras.

    `is_active` tells whether a force takes new reads. `changed` is awaited after a change, so that this
    replica applies it before it answers.
    """

    def __init__(
        self,
        registry: CameraRegistry,
        pages: PageTokens,
        watch: CameraWatch,
        *,
        is_active: Callable[[str], bool],
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._registry = registry
        self._is_active = is_active
        self._pages = _Pages(pages, f"{REGISTRY}/ListCameras")
        self._watch = watch
        self._changed = changed

    async def EnrolCameras(
        self,
        request: pb.EnrolCamerasRequest,
        context: Any,
    ) -> pb.EnrolCamerasResponse:
        """Enrol cameras on a feed."""
        self._require_active(request.force)
        token = _fresh_token()
        enrolled = await self._registry.enrol(_enrolment(request, token))
        await self._changed()
        return _enrolled_message(enrolled, token)

    async def EnrolCanary(
        self,
        request: pb.EnrolCanaryRequest,
        context: Any,
    ) -> pb.EnrolCanaryResponse:
        """Enrol the canary of a force with a new token."""
        self._require_active(request.force)
        token = _fresh_token()
        await self._registry.enrol_canary(request.force, token_key(token))
        await self._changed()
        return pb.EnrolCanaryResponse(token=token)

    async def ListCameras(
        self,
        request: pb.ListCamerasRequest,
        context: Any,
    ) -> pb.ListCamerasResponse:
        """List the cameras of a force."""
        after, size = self._pages.of(request)
        cameras = await self._registry.cameras(request.force, after, size + 1)
        page, token = self._pages.cut(request, cameras, size, lambda camera: camera.camera_id)
        return pb.ListCamerasResponse(cameras=map(camera_message, page), next_page_token=token)

    async def SetCameraEnabled(
        self,
        request: pb.SetCameraEnabledRequest,
        context: Any,
    ) -> pb.SetCameraEnabledResponse:
        """Switch a camera on or off."""
        if not is_camera_id(request.camera_id) or request.camera_id == CANARY:
            raise _unknown_camera()
        camera = await self._registry.switch(request.force, request.camera_id, enabled=request.enabled)
        if camera is None:
            raise _unknown_camera()
        await self._changed()
        return pb.SetCameraEnabledResponse(camera=camera_message(camera))

    async def WatchCameras(
        self,
        request: pb.WatchCamerasRequest,
        context: Any,
    ) -> AsyncIterator[pb.WatchCamerasResponse]:
        """Send the cameras of a force, and send them again after each change."""
        async for response in self._watch.watch(request.force):
            yield response

    def _require_active(self, force: str) -> None:
        if not self._is_active(force):
            raise NotFound("FORCE_UNKNOWN", "the force was retired", field="force")


class CameraHealthService(CameraHealthServiceServicer):
    """Lists the health of cameras."""

    def __init__(self, registry: CameraRegistry, pages: PageTokens) -> None:
        self._registry = registry
        self._pages = _Pages(pages, f"{HEALTH}/ListCameraHealth")

    async def ListCameraHealth(
        self,
        request: pb.ListCameraHealthRequest,
        context: Any,
    ) -> pb.ListCameraHealthResponse:
        """List the health of each camera of a force."""
        after, size = self._pages.of(request)
        found = await self._registry.health(request.force, after, size + 1)
        page, token = self._pages.cut(request, found, size, lambda health: health.camera_id)
        return pb.ListCameraHealthResponse(cameras=map(_health_message, page), next_page_token=token)


class _Pages:
    """The pages of one RPC that lists rows by camera_id."""

    def __init__(self, tokens: PageTokens, method: str) -> None:
        self._tokens = tokens
        self._method = method

    def of(self, request: pb.ListCamerasRequest | pb.ListCameraHealthRequest) -> tuple[str, int]:
        """The camera_id that the page begins after, and how many rows it has at most."""
        size = page_size(request.page_size)
        place = self._tokens.place(self._method, request)
        return "" if place is None else str(place[0]), size

    def cut(
        self, request: T, rows: Sequence[Row], size: int, name: Callable[[Row], str]
    ) -> tuple[Sequence[Row], str]:
        """The first `size` rows, and the token of the next page if there are more rows."""
        if len(rows) <= size:
            return rows, ""
        page = rows[:size]
        return page, self._tokens.token(self._method, request, [name(page[-1])])


def _fresh_token() -> str:
    return _TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def _enrolment(request: pb.EnrolCamerasRequest, token: str) -> Enrolment:
    if not is_feed(request.feed):
        raise camera_invalid("feed", "should be 1 to 64 of letters, digits, dot, dash, underscore")
    if (oddity := oddity_of_id(request.feed)) is not None:
        raise camera_invalid("feed", oddity)
    require_not_reserved(request.feed, "feed")
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
    for reason, count in health.warned.items():
        message.warnings.add(reason=WarningReason.ValueType(reason), count=count)
    for field, moment in (
        (message.last_received_at, health.last_received_at),
        (message.last_captured_at, health.last_captured_at),
    ):
        if isinstance(moment, datetime):
            field.FromDatetime(moment)
    return message


def _unknown_camera() -> NotFound:
    return NotFound("CAMERA_UNKNOWN", "the force has no camera with this id", field="camera_id")
