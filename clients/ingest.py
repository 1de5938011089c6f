"""Clients of the ingest service: enrolling, listing and watching cameras, and their health.

Vendors deliver reads with the SDK.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Final
from uuid import UUID, uuid4

import grpc
from gantry.ingest.v1 import cameras_pb2
from gantry.ingest.v1.cameras_pb2_grpc import CameraHealthServiceStub, CameraRegistryServiceStub

from clients.answer import answer_of, answers_of

DEADLINE_SECONDS: Final = 10.0


class CameraClient:
    """Calls the registry with the certificate that opened `channel`. Every method raises Fault.

    `watch` and `enrol_canary` are for services, the other methods are for people. Every call may be repeated.
    """

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._registry = CameraRegistryServiceStub(channel)
        self._health = CameraHealthServiceStub(channel)
        self._deadline = deadline

    async def enrol(
        self,
        force: str,
        feed: str,
        cameras: Sequence[cameras_pb2.Camera],
        *,
        new_token: bool = False,
        request_id: UUID | None = None,
    ) -> cameras_pb2.EnrolCamerasResponse:
        """Enrol up to 1,000 cameras on a feed. The answer has the token when the feed is new.

        With a `request_id` of your own the whole call can be repeated. Raises InvalidInput CAMERA_INVALID and
        NotFound FORCE_UNKNOWN.
        """
        request = cameras_pb2.EnrolCamerasRequest(
            force=force,
            feed=feed,
            cameras=cameras,
            new_token=new_token,
            request_id=str(request_id or uuid4()),
        )
        return await answer_of(self._registry.EnrolCameras(request, timeout=self._deadline))

    async def enrol_canary(self, force: str) -> str:
        """Enrol the canary of a force. The answer is the new token of its feed; the one before stops working.

        Other replicas of ingest know it within seconds. Raises NotFound FORCE_UNKNOWN.
        """
        request = cameras_pb2.EnrolCanaryRequest(force=force)
        return (await answer_of(self._registry.EnrolCanary(request, timeout=self._deadline))).token

    async def cameras(self, force: str, *, page_size: int = 0) -> AsyncIterator[cameras_pb2.Camera]:
        """The cameras of a force by id, page after page."""
        request = cameras_pb2.ListCamerasRequest(force=force, page_size=page_size)
        while True:
            page = await answer_of(self._registry.ListCameras(request, timeout=self._deadline))
            for camera in page.cameras:
                yield camera
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def switch(self, force: str, camera_id: str, *, enabled: bool) -> cameras_pb2.Camera:
        """Switch a camera on or off. Raises NotFound CAMERA_UNKNOWN."""
        request = cameras_pb2.SetCameraEnabledRequest(force=force, camera_id=camera_id, enabled=enabled)
        return (await answer_of(self._registry.SetCameraEnabled(request, timeout=self._deadline))).camera

    async def watch(self, force: str) -> AsyncGenerator[cameras_pb2.WatchCamerasResponse, None]:
        """All cameras of a force, again after each change, with progress in between; until the server stops.

        Raises Unavailable STOPPING.
        """
        async for response in answers_of(
            self._registry.WatchCameras(cameras_pb2.WatchCamerasRequest(force=force))
        ):
            yield response

    async def health(self, force: str, *, page_size: int = 0) -> AsyncIterator[cameras_pb2.CameraHealth]:
        """The health of each camera of a force, by id, page after page."""
        request = cameras_pb2.ListCameraHealthRequest(force=force, page_size=page_size)
        while True:
            page = await answer_of(self._health.ListCameraHealth(request, timeout=self._deadline))
            for camera in page.cameras:
                yield camera
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
