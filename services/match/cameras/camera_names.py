"""The names of cameras, kept in memory. An alert never waits for them: without a name it shows the id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Final, Protocol

from gantry.ingest.v1.cameras_pb2 import WatchCamerasResponse

from chassis.backoff import Backoff
from chassis.errors import Fault
from chassis.loops import repeat
from chassis.transient import TransientError, cause_of, is_transient

FORCES_SECONDS: Final = 0.5
SILENCE_SECONDS: Final = 15.0
"""Ingest sends progress every 5 seconds. A stream that is silent for longer than this is broken."""
_PAUSE_SECONDS: Final = 1.0
_FIRST_WAIT: Final = 0.5
_MOST_WAIT: Final = 30.0

_log = logging.getLogger(__name__)


class CameraSource(Protocol):
    """The registry of cameras; see `clients.ingest.CameraClient`."""

    def watch(self, force: str) -> AsyncGenerator[WatchCamerasResponse, None]:
        """All cameras of a force, again after each change, with progress in between."""


class CameraNames:
    """The names of all forces' cameras. While ingest is unavailable, the last names stay."""

    def __init__(
        self,
        source: CameraSource | None,
        forces: Callable[[], Iterable[str]],
        *,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        """Without a source no camera has a name."""
        self._source = source
        self._forces = forces
        self._silence_seconds = silence_seconds
        self._names: dict[str, Mapping[str, str]] = {}

    def of(self, force: str, camera_id: str) -> str:
        """The name of a camera; empty when it is not known."""
        return self._names.get(force, {}).get(camera_id, "")

    async def run(self) -> None:
        """Learn the names without end, those of each force by a stream of its own."""
        streams: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                wanted = set(self._forces()) if self._source is not None else set()
                for force in wanted - streams.keys():
                    streams[force] = group.create_task(self._learn(force), name=f"camera names of {force}")
                for force in streams.keys() - wanted:
                    streams.pop(force).cancel()
                    self._names.pop(force, None)
                await asyncio.sleep(FORCES_SECONDS)

    async def _learn(self, force: str) -> None:
        await repeat(
            partial(self._follow, force),
            name=f"camera names of {force}",
            every=_PAUSE_SECONDS,
            backoff=Backoff(_FIRST_WAIT, _MOST_WAIT),
            log=_log,
        )

    async def _follow(self, force: str) -> None:
        """Follow one stream to its end. A stream that brought the names counts as a success."""
        assert self._source is not None
        learnt = False
        try:
            async with aclosing(self._source.watch(force)) as responses:
                while True:
                    async with asyncio.timeout(self._silence_seconds):
                        response = await anext(responses, None)
                    if response is None:
                        return
                    if response.HasField("cameras"):
                        cameras = response.cameras.cameras
                        self._names[force] = {camera.camera_id: camera.name for camera in cameras}
                        learnt = True
        except (Fault, TimeoutError) as error:
            if learnt and is_transient(error):
                return
            # Names are of use and not needed: whatever ingest answers, matching goes on.
            raise TransientError(cause_of(error)) from error
