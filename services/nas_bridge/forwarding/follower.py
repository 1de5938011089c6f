"""Follow a force's log into an intake, over every interruption."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from gantry.store.v1.store_pb2 import TailReadsResponse

from chassis.errors import Fault, OutOfRange
from services.nas_bridge.backoff import Backoff
from services.nas_bridge.intake import Intake
from services.nas_bridge.settings import Images

# The store speaks at least every 5 s; three times silent, and the connection is as good as dead.
SILENCE_SECONDS: Final = 15.0
_MOST_READS: Final = 5_000

_log = logging.getLogger(__name__)


class LogGapError(Exception):
    """The log does not hold what comes next; `first_position` is the oldest it has, or 0 when unknown."""

    def __init__(self, message: str, first_position: int = 0) -> None:
        super().__init__(message)
        self.first_position = first_position


class Log(Protocol):
    """The log of reads; `clients.store.StoreClient` is one."""

    def follow(
        self, force: str, consumer: str, *, after: int | None, include_images: bool, max_reads: int
    ) -> AsyncGenerator[TailReadsResponse, None]:
        """The log after a position, or from its oldest read (None). Raises Fault."""


@dataclass(frozen=True)
class Follower:
    """Reads the log of `force` in the name of `consumer`."""

    log: Log
    force: str
    consumer: str
    images: Images
    backoff: Backoff
    silence_seconds: float = SILENCE_SECONDS

    async def follow(self, intake: Intake) -> None:
        """Put everything after the intake's position into it, for ever. Raises LogGapError."""
        while True:
            asked = None
            try:
                await self._follow_once(intake)
                cause = "the stream ended"
            except TimeoutError:
                cause = "silence"
            except OutOfRange as fault:
                raise _gap(fault) from fault
            except Fault as fault:
                cause, asked = fault.reason, fault.retry_after
            wait = self.backoff.next_wait(asked)
            _log.warning("the log cannot be followed now", extra=self._about(cause, wait))
            await asyncio.sleep(wait)

    async def _follow_once(self, intake: Intake) -> None:
        responses = self.log.follow(
            self.force,
            self.consumer,
            # A forwarder that has delivered nothing yet takes what the buffer still has.
            after=intake.position or None,
            include_images=self.images != "none",
            max_reads=_MOST_READS,
        )
        async with aclosing(responses):
            while (response := await self._next(responses)) is not None:
                self.backoff.succeeded()
                _strip(response, self.images)
                await intake.put(response, response.ByteSize())

    async def _next(self, responses: AsyncIterator[TailReadsResponse]) -> TailReadsResponse | None:
        async with asyncio.timeout(self.silence_seconds):
            return await anext(responses, None)

    def _about(self, cause: str, wait: float) -> dict[str, object]:
        return {
            "force": self.force,
            "destination": self.consumer,
            "cause": cause,
            "wait_seconds": round(wait, 3),
        }


def _gap(fault: OutOfRange) -> LogGapError:
    first = fault.metadata.get("first_position", "")
    return LogGapError(_gap_sentence(fault), int(first) if first.isdecimal() else 0)


def _gap_sentence(fault: Fault) -> str:
    if fault.reason == "POSITION_PURGED":
        return "the store deleted reads before they were delivered"
    return "the store's log is shorter than what was delivered, as after an old backup"


def _strip(response: TailReadsResponse, images: Images) -> None:
    if images == "patch":
        for batch in response.batches:
            batch.reads.ClearField("overviews")
