"""Watching the cameras of a force: all of them at first and after each change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from gantry.ingest.v1 import cameras_pb2 as pb

from chassis.errors import Unavailable
from services.ingest.cameras.enrolment import CameraRegistry, EnrolledCamera, camera_message
from services.ingest.cameras.feeds import FeedDirectory

PROGRESS_SECONDS: Final = 4.0


class CameraWatch:
    """Sends the cameras of a force whenever they have changed, and progress in between.

    The database is read only when the version of the registry has changed.
    """

    def __init__(
        self,
        registry: CameraRegistry,
        feeds: FeedDirectory,
        stopping: asyncio.Event,
        progress_seconds: float = PROGRESS_SECONDS,
    ) -> None:
        self._registry = registry
        self._feeds = feeds
        self._stopping = stopping
        self._progress_seconds = progress_seconds

    async def watch(self, force: str) -> AsyncIterator[pb.WatchCamerasResponse]:
        """Responses without end. Raises Unavailable STOPPING when the server stops."""
        revision, sent = -1, None
        while True:
            changed = self._feeds.changed
            if self._stopping.is_set():
                raise Unavailable("STOPPING", "this server stops; watch again", retry_after=0.1)
            if revision < self._feeds.version or sent is None:
                revision, cameras = await self._registry.snapshot(force)
            if cameras == sent:
                yield pb.WatchCamerasResponse(revision=revision, progress=pb.CamerasProgress())
            else:
                yield _response(revision, cameras)
                sent = cameras
            await self._wait(changed)

    async def _wait(self, changed: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._progress_seconds):
                await changed.wait()
        except TimeoutError:
            return


def _response(revision: int, cameras: Sequence[EnrolledCamera]) -> pb.WatchCamerasResponse:
    listed = pb.CameraList(cameras=map(camera_message, cameras))
    return pb.WatchCamerasResponse(revision=revision, cameras=listed)
