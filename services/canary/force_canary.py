"""The canary of one force: sends a read in each interval, listens for its alert, and judges it."""

from __future__ import annotations

import asyncio
import logging
import math
import random as randomness
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chassis.metrics import histogram
from services.canary.hearing import Ear
from services.canary.judging import Judge
from services.canary.names import MetricName
from services.canary.ports import Calls, Canary
from services.canary.sending import Sender

_NOT_HEARD: Final = "no alert"

_log = logging.getLogger(__name__)
_seconds = histogram(MetricName.CANARY_SECONDS)


@dataclass(frozen=True)
class Timing:
    """When canaries are due and late, in seconds."""

    every: float = 60.0
    late: float = 30.0

    @property
    def tick(self) -> float:
        """How often it is looked whether one is due or late."""
        return max(0.05, min(1.0, self.every / 10, self.late / 10))

    @property
    def asleep(self) -> float:
        """A process that did not look for so long was frozen: what it waited for may have passed it by."""
        return self.late / 3

    @property
    def settling(self) -> float:
        """So long after an enrolment a refusal brings no other token: 20 s at the usual interval."""
        return self.every / 3


class ForceCanary:
    """Sends canaries of a force at a random phase of the interval, so that those of forces spread."""

    def __init__(
        self,
        force: str,
        calls: Calls,
        timing: Timing,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        self.judge = Judge(timing.late)
        self._force = force
        self._timing = timing
        self._clock = clock
        self._attentive = 0.0
        self._due_at = clock() + timing.every * random()
        self._ear = Ear(force, calls, self._heard)
        self._sender = Sender(force, calls, self._ear, timing.settling, clock=clock)
        self._sending: asyncio.Task[None] | None = None
        self._newest = ""
        self._told = ""

    async def run(self) -> None:
        """Send and judge without end. After a freeze it begins anew, without the canaries under way."""
        while True:
            listening = asyncio.create_task(self._ear.listen(), name=f"canary of {self._force}: listen")
            try:
                await self._beat(listening)
            finally:
                await _end(listening)
                await _end(self._sending)
            self.judge.forget()
            self._due_at = self._next_due(self._clock())
            _log.info("was frozen", extra={"force": self._force})

    async def _beat(self, listening: asyncio.Task[None]) -> None:
        """Send and judge until this process was frozen. Raises what its tasks raise."""
        looked_at = self._clock()
        while True:
            await asyncio.sleep(self._timing.tick)
            now = self._clock()
            elapsed, looked_at = now - looked_at, now
            if elapsed > self._timing.asleep:
                return
            self._attentive += min(elapsed, 2 * self._timing.tick)
            _raise_of(listening)
            _raise_of(self._sending)
            await self._settle()
            if now >= self._due_at:
                self._due_at = self._next_due(now)
                await self._begin()

    def _next_due(self, now: float) -> float:
        """The first moment after `now` in the phase of this force. Those that were missed are left out."""
        every = self._timing.every
        return self._due_at + every * (math.floor((now - self._due_at) / every) + 1)

    async def _begin(self) -> None:
        # One that could not be sent before is given up, so that there is no burst once sending works again.
        await _end(self._sending)
        canary = Canary(self._force, f"canary-{uuid.uuid4().hex}", time.time_ns() // 1000)
        self._newest = canary.read_id
        self.judge.begin(canary.read_id, self._attentive)
        self._sending = asyncio.create_task(
            self._sender.send(canary, self.judge.send), name=f"canary of {self._force}: send"
        )

    async def _settle(self) -> None:
        late = self.judge.settle(self._attentive)
        if late and self.judge.missed:
            self._tell(self._ear.trouble or self._sender.trouble or _NOT_HEARD)
            self._sender.prepare_again()
        if self._newest in late:
            await _end(self._sending)

    def _heard(self, read_id: str) -> None:
        seconds = self.judge.hear(read_id, self._clock())
        if seconds is not None:
            _seconds.record(seconds, {"force": self._force})
            self._tell("")

    def _tell(self, cause: str) -> None:
        """Log why canaries are missed, once when it changes."""
        if cause == self._told:
            return
        self._told = cause
        if cause:
            _log.warning("canary missed", extra={"force": self._force, "cause": cause})
        else:
            _log.info("canary heard again", extra={"force": self._force})


def _raise_of(task: asyncio.Task[None] | None) -> None:
    if task is not None and task.done() and not task.cancelled():
        task.result()


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
