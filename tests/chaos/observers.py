"""Observers during failures: a tail of the log, and a control room that watches alerts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
from gantry.match.v1 import alert_pb2, alert_pb2_grpc
from gantry.store.v1 import log_pb2, log_pb2_grpc

from chassis.client import open_channel
from reads.appended import Appended, appends_of
from suite.suite import Suite
from tests.e2e.outcome import LARGEST, PURPOSE, Identity, entries_of

_AGAIN_SECONDS = 0.1


class Tail:
    """Follows a force's log from its beginning, and resumes after each interruption."""

    def __init__(self, suite: Suite, force: str, store: str) -> None:
        self._suite = suite
        self._force = force
        self._store = store
        self.position = 0
        self.reads: list[tuple[int, Identity]] = []
        self.wrong: list[str] = []
        self.interruptions = 0

    async def follow(self) -> None:
        """Follow until cancelled."""
        tls = self._suite.service("nas_bridge")
        async with open_channel(self._store, tls, max_message_bytes=LARGEST) as channel:
            log = log_pb2_grpc.ReadLogServiceStub(channel)
            while True:
                try:
                    await self._once(log)
                except grpc.aio.AioRpcError:
                    self.interruptions += 1
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _once(self, log: "log_pb2_grpc.ReadLogServiceAsyncStub") -> None:
        request = log_pb2.TailReadsRequest(force=self._force, consumer="chaos", after_position=self.position)
        async for response in log.TailReads(request):
            for appended in appends_of(response):
                self._take(appended)
            if response.position < self.position:
                self.wrong.append(f"the tail went back from {self.position} to {response.position}")
            self.position = response.position

    def _take(self, appended: Appended) -> None:
        for entry in entries_of(self._force, appended):
            last = self.reads[-1][0] if self.reads else 0
            if entry.position <= max(last, self.position):
                self.wrong.append(f"position {entry.position} came after {max(last, self.position)}")
            self.reads.append((entry.position, entry.identity))


class ControlRoom:
    """Watches a force's alerts from the first, and resumes after the last number that it got."""

    def __init__(self, suite: Suite, force: str, match: str) -> None:
        self._suite = suite
        self._force = force
        self._match = match
        self._number = 0
        self.alerts: list[alert_pb2.Alert] = []

    async def follow(self) -> None:
        """Watch until cancelled."""
        async with open_channel(self._match, self._suite.person()) as channel:
            stub = alert_pb2_grpc.AlertServiceStub(channel)
            while True:
                with suppress(grpc.aio.AioRpcError):
                    await self._once(stub)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _once(self, stub: "alert_pb2_grpc.AlertServiceAsyncStub") -> None:
        request = alert_pb2.SubscribeRequest(force=self._force, purpose=PURPOSE, after_number=self._number)
        async for response in stub.Subscribe(request):
            if response.event.HasField("raised"):
                self.alerts.append(response.event.raised)
            self._number = response.number


@asynccontextmanager
async def observing(
    suite: Suite, *, store: str | None = None, match: str | None = None
) -> AsyncIterator[tuple[dict[str, Tail], dict[str, ControlRoom]]]:
    """A tail and a control room for each force, inside the block.

    They call the suite's first processes, or what stands before the replicas.
    """
    store, match = store or suite.address("store"), match or suite.address("match")
    tails = {force: Tail(suite, force, store) for force in suite.settings.forces}
    rooms = {force: ControlRoom(suite, force, match) for force in suite.settings.forces}
    tasks = [asyncio.create_task(each.follow()) for each in (*tails.values(), *rooms.values())]
    try:
        yield tails, rooms
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
