"""The directory of forces, kept up to date from the store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Final

import grpc
from gantry.store.v1.forces_pb2 import FORCE_STATE_ACTIVE, Directory, Force, WatchRequest
from gantry.store.v1.forces_pb2_grpc import DirectoryServiceStub

from chassis.backoff import Backoff
from chassis.errors import Fault, Unavailable
from chassis.loops import repeat
from chassis.transient import is_transient
from clients.answer import answers_of

SILENCE_SECONDS: Final = 15.0
"""The store sends progress every 5 seconds. A stream that is silent for longer than this is broken."""

HEARD_SECONDS: Final = 12.0
"""A store that has sent nothing for longer than this does not reach us."""

NEW_FORCE_SECONDS: Final = 2.0
"""A new force is usually here after 0.5 s. Its caller waits for it this long before it counts as unknown."""

_PAUSE_SECONDS: Final = 0.1
_FIRST_WAIT: Final = 0.1
_MOST_WAIT: Final = 2.0

_log = logging.getLogger(__name__)


class DirectoryWatch:
    """Holds the newest directory. While the store is unavailable, the last directory stays.

    `forces` maps the code of every force, retired ones included, to the force. `active` holds the codes of
    the forces that are served. `changed` is set after each change; the loop that waits for it clears it.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        silence_seconds: float = SILENCE_SECONDS,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.forces: Mapping[str, Force] = MappingProxyType({})
        self.active: frozenset[str] = frozenset()
        self.changed = asyncio.Event()
        self._stub = DirectoryServiceStub(channel)
        self._silence_seconds = silence_seconds
        self._backoff = backoff or Backoff(_FIRST_WAIT, _MOST_WAIT)
        self._received = asyncio.Event()
        self._newer = asyncio.Event()
        self._clock = clock
        self._heard_at = clock()

    async def run(self) -> None:
        """Follow the directory without end. Raises only errors that are not transient."""
        await repeat(self._follow, name="directory", every=_PAUSE_SECONDS, backoff=self._backoff)

    def is_heard(self) -> bool:
        """Whether a store that is sure of its answers has sent something in the last 12 s."""
        return self._clock() - self._heard_at <= HEARD_SECONDS

    async def ready(self) -> None:
        """Wait until the first directory was received."""
        await self._received.wait()

    def is_known(self, force: str) -> bool:
        """Whether the force exists, active or retired.

        Raises Unavailable DIRECTORY_UNAVAILABLE before the first directory was received.
        """
        if not self._received.is_set():
            raise Unavailable(
                "DIRECTORY_UNAVAILABLE", "the directory of forces was not received yet", retry_after=1.0
            )
        return force in self.forces

    async def knows(self, force: str) -> bool:
        """Whether the force exists, active or retired. One that is not here yet is waited for, at most 2 s.

        Whoever creates a force uses it at once, and the store has told nobody yet. Raises as `is_known`.
        """
        if self.is_known(force):
            return True
        try:
            async with asyncio.timeout(NEW_FORCE_SECONDS):
                while not self.is_known(force):
                    await self._newer.wait()
        except TimeoutError:
            return False
        return True

    async def _follow(self) -> None:
        """Follow one stream to its end. A stream that brought the directory counts as a success."""
        current = False
        try:
            async with aclosing(answers_of(self._stub.Watch(WatchRequest()))) as responses:
                while True:
                    async with asyncio.timeout(self._silence_seconds):
                        response = await anext(responses, None)
                    if response is None:
                        return
                    self._heard_at = self._clock()
                    if response.HasField("directory"):
                        self._take(response.directory)
                        current = True
        except (Fault, TimeoutError) as error:
            if not current or not is_transient(error):
                raise

    def _take(self, directory: Directory) -> None:
        forces = {force.code: force for force in directory.forces}
        if self._received.is_set() and forces == self.forces:
            return
        self.forces = MappingProxyType(forces)
        self.active = frozenset(force.code for force in directory.forces if force.state == FORCE_STATE_ACTIVE)
        self._received.set()
        self.changed.set()
        newer, self._newer = self._newer, asyncio.Event()
        newer.set()
        _log.info("directory changed", extra={"forces": len(forces), "active": len(self.active)})
