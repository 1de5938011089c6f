"""The ingest service's clients for people: enrolling cameras, and how they are doing.

Reads are delivered with the vendor SDK, not from here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID, uuid4

import grpc
from gantry.ingest.v1 import cameras_pb2
from gantry.ingest.v1.cameras_pb2_grpc import CameraHealthServiceStub, CameraRegistryServiceStub

from clients.answer import answer_of

DEADLINE_SECONDS: Final = 10.0


class CameraClient:
    """Calls the registry as the person whose certificate opened `channel`. Every method raises Fault.

    The channel repeats calls that found ingest away; all of these may be repeated.
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
        """Enrol up to 1,000 cameras on a feed; the answer has the token when the feed is new.

        Pass your own `request_id` to be able to repeat the whole call. Raises InvalidInput CAMERA_INVALID.
        """
        request = cameras_pb2.EnrolCamerasRequest(
            force=force,
            feed=feed,
            cameras=cameras,
            new_token=new_token,
            request_id=str(request_id or uuid4()),
        )
        return await answer_of(self._registry.EnrolCameras(request, timeout=self._deadline))

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

    async def health(self, force: str, *, page_size: int = 0) -> AsyncIterator[cameras_pb2.CameraHealth]:
        """What each camera of a force has delivered, by id, page after page."""
        request = cameras_pb2.ListCameraHealthRequest(force=force, page_size=page_size)
        while True:
            page = await answer_of(self._health.ListCameraHealth(request, timeout=self._deadline))
            for camera in page.cameras:
                yield camera
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
