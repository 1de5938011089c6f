"""Names of cameras are learnt per force, and kept while ingest is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import grpc
from gantry.ingest.v1.cameras_pb2 import Camera, CameraList, CamerasProgress, WatchCamerasResponse

from chassis.errors import Fault, Unavailable
from services.match.cameras import camera_names
from services.match.cameras.camera_names import CameraNames

REFUSED = Fault(grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED", "no")


class Registry:
    """Ingest: what is put for a force is sent to its streams. A fault ends the stream."""

    def __init__(self) -> None:
        self.queues: dict[str, asyncio.Queue[WatchCamerasResponse | Fault]] = {}
        self.opened = 0

    def of(self, force: str) -> asyncio.Queue[WatchCamerasResponse | Fault]:
        return self.queues.setdefault(force, asyncio.Queue())

    def name(self, force: str, **names: str) -> None:
        cameras = [Camera(camera_id=camera_id, name=name) for camera_id, name in names.items()]
        self.of(force).put_nowait(WatchCamerasResponse(cameras=CameraList(cameras=cameras)))

    async def watch(self, force: str) -> AsyncGenerator[WatchCamerasResponse, None]:
        self.opened += 1
        while True:
            sent = await self.of(force).get()
            if isinstance(sent, Fault):
                raise sent
            yield sent


@asynccontextmanager
async def _running(names: CameraNames) -> AsyncIterator[None]:
    running = asyncio.create_task(names.run())
    try:
        yield
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _until(names: CameraNames, force: str, camera_id: str, name: str) -> None:
    async with asyncio.timeout(30):
        while names.of(force, camera_id) != name:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_each_force_has_its_own_names():
    registry = Registry()
    names = CameraNames(registry, lambda: ["essex", "kent"])
    registry.name("essex", a="A12 J19 northbound")
    registry.name("kent", a="A2 Dover")
    async with _running(names):
        await _until(names, "essex", "a", "A12 J19 northbound")
        await _until(names, "kent", "a", "A2 Dover")
        assert names.of("essex", "b") == ""
        registry.name("essex", a="A12 J19 southbound")
        registry.of("essex").put_nowait(WatchCamerasResponse(progress=CamerasProgress()))
        await _until(names, "essex", "a", "A12 J19 southbound")


async def test_names_stay_while_ingest_is_away_and_come_again(monkeypatch):
    monkeypatch.setattr(camera_names, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(camera_names, "_FIRST_WAIT", 0.01)
    registry = Registry()
    names = CameraNames(registry, lambda: ["essex"])
    registry.name("essex", a="first")
    async with _running(names):
        await _until(names, "essex", "a", "first")
        registry.of("essex").put_nowait(Unavailable("STOPPING", "ends"))
        # Also what would be fatal elsewhere: matching does not depend on names.
        for fault in (REFUSED, REFUSED):
            registry.of("essex").put_nowait(fault)
        assert names.of("essex", "a") == "first"
        registry.name("essex", a="second")
        await _until(names, "essex", "a", "second")
    assert registry.opened == 4


async def test_a_silent_stream_is_opened_again(monkeypatch):
    monkeypatch.setattr(camera_names, "_PAUSE_SECONDS", 0.01)
    registry = Registry()
    names = CameraNames(registry, lambda: ["essex"], silence_seconds=0.05)
    registry.name("essex", a="first")
    async with _running(names):
        await _until(names, "essex", "a", "first")
        async with asyncio.timeout(30):
            while registry.opened < 3:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        assert names.of("essex", "a") == "first"


async def test_a_force_that_is_gone_is_forgotten(monkeypatch):
    monkeypatch.setattr(camera_names, "FORCES_SECONDS", 0.01)
    forces, registry = {"essex"}, Registry()
    names = CameraNames(registry, lambda: forces)
    registry.name("essex", a="first")
    async with _running(names):
        await _until(names, "essex", "a", "first")
        forces.clear()
        await _until(names, "essex", "a", "")


async def test_without_a_registry_no_camera_has_a_name():
    names = CameraNames(None, lambda: ["essex"])
    async with _running(names):
        await asyncio.sleep(0)
        assert names.of("essex", "a") == ""
