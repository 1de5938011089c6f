"""The services as one canary sees them, without a process or a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chassis.errors import Fault, Unauthenticated
from services.canary.force_canary import ForceCanary, Timing
from services.canary.ports import Canary, RejectedError
from tests.unit.canary.virtual_time import now

ANSWER_SECONDS = 0.1
"""So long every call takes."""


@dataclass
class World:
    """Implements `Calls`. The alert of a canary that is taken comes at once, unless `deaf`.

    `faults` are raised by the name of the call for as long as they are there. `rejects` refuses reads.
    """

    deaf: bool = False
    rejects: bool = False
    prepared: bool = False
    faults: dict[str, Fault] = field(default_factory=dict)
    token: str = ""
    prepared_at: list[float] = field(default_factory=list)
    enrolled_at: list[float] = field(default_factory=list)
    refused_at: list[float] = field(default_factory=list)
    taken_at: list[float] = field(default_factory=list)
    watches: set[asyncio.Queue[str]] = field(default_factory=set)
    _enrolled: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self, force: str) -> None:
        await self._answer("prepare")
        self.prepared = True
        self.prepared_at.append(now())

    async def enrol(self, force: str) -> str:
        await self._answer("enrol")
        self.enrolled_at.append(now())
        self.token = f"token-{len(self.enrolled_at)}"
        self._enrolled.set()
        return self.token

    async def until_enrolled(self) -> None:
        """Wait for the first token. The canary is about to use it then."""
        await self._enrolled.wait()

    async def send(self, token: str, canary: Canary) -> None:
        await self._answer("send")
        if token != self.token:
            self.refused_at.append(now())
            raise Unauthenticated("TOKEN_UNKNOWN", "no feed has this token")
        if self.rejects:
            self.refused_at.append(now())
            raise RejectedError("TIME_IN_FUTURE")
        self.taken_at.append(now())
        if self.prepared and not self.deaf:
            for watch in self.watches:
                watch.put_nowait(canary.read_id)

    async def watch(self, force: str) -> AsyncGenerator[Sequence[str], None]:
        await self._answer("watch")
        alerts: asyncio.Queue[str] = asyncio.Queue()
        self.watches.add(alerts)
        try:
            yield []
            while True:
                yield await self._alerts_or_keep_alive(alerts)
        finally:
            self.watches.discard(alerts)

    async def _alerts_or_keep_alive(self, alerts: asyncio.Queue[str]) -> Sequence[str]:
        try:
            async with asyncio.timeout(10):
                return [await alerts.get()]
        except TimeoutError:
            return []

    async def _answer(self, call: str) -> None:
        await asyncio.sleep(ANSWER_SECONDS)
        if call in self.faults:
            raise self.faults[call]


@asynccontextmanager
async def flying(world: World, timing: Timing, *, phase: float = 0.0) -> AsyncIterator[ForceCanary]:
    """A canary of Essex in this world. `phase` is its part of the interval. Raises what the canary raises."""
    canary = ForceCanary("essex", world, timing, clock=asyncio.get_running_loop().time, random=lambda: phase)
    running = asyncio.create_task(canary.run())
    try:
        yield canary
        if running.done():
            running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
