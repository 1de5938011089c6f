"""Follow a force's log into an intake, over every interruption."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias, cast

import grpc
from gantry.store.v1.store_pb2 import TailReadsRequest, TailReadsResponse

from chassis.errors import Fault, OutOfRange, fault_from
from services.nas_bridge.backoff import Backoff
from services.nas_bridge.intake import Intake
from services.nas_bridge.settings import Images

# The store speaks at least every 5 s; three times silent, and the connection is as good as dead.
SILENCE_SECONDS: Final = 15.0
_TAIL: Final = "/gantry.store.v1.StoreService/TailReads"
# With pictures a read is a hundred times longer.
_MOST_READS: Final[dict[Images, int]] = {"none": 5_000, "patch": 1_000, "both": 250}

_log = logging.getLogger(__name__)


class LogGapError(Exception):
    """The log does not hold what comes next; `first_position` is the oldest it has, or 0 when unknown."""

    def __init__(self, message: str, first_position: int = 0) -> None:
        super().__init__(message)
        self.first_position = first_position


class _Part(NamedTuple):
    response: TailReadsResponse
    size: int


_Call: TypeAlias = "grpc.aio.UnaryStreamCall[Any, _Part]"


@dataclass(frozen=True)
class Follower:
    """Reads the log of `force` in the name of `consumer`."""

    channel: grpc.aio.Channel
    force: str
    consumer: str
    images: Images
    backoff: Backoff
    silence_seconds: float = SILENCE_SECONDS

    async def follow(self, intake: Intake) -> None:
        """Put everything after the intake's position into it, for ever. Raises LogGapError."""
        while True:
            try:
                await self._follow_once(intake)
            except (grpc.aio.AioRpcError, TimeoutError) as error:
                wait = self.backoff.next_wait(_examine(error))
                _log.warning("the log cannot be followed now", extra=self._about(error, wait))
                await asyncio.sleep(wait)

    async def _follow_once(self, intake: Intake) -> None:
        async with self._stream(intake.position) as parts:
            while (part := await self._next(parts)) is not None:
                self.backoff.succeeded()
                _strip(part.response, self.images)
                await intake.put(part.response, part.size)

    async def _next(self, parts: _Call) -> _Part | None:
        async with asyncio.timeout(self.silence_seconds):
            part = await parts.read()
        return None if part is grpc.aio.EOF else cast("_Part", part)

    @asynccontextmanager
    async def _stream(self, position: int) -> AsyncIterator[_Call]:
        tail = self.channel.unary_stream(
            _TAIL,
            TailReadsRequest.SerializeToString,
            lambda raw: _Part(TailReadsResponse.FromString(raw), len(raw)),
        )
        call = tail(self._request(position))
        try:
            yield call
        finally:
            call.cancel()

    def _request(self, position: int) -> TailReadsRequest:
        request = TailReadsRequest(
            force=self.force,
            consumer=self.consumer,
            include_images=self.images != "none",
            max_reads=_MOST_READS[self.images],
        )
        # A forwarder that has delivered nothing yet takes what the buffer still has.
        if position == 0:
            request.earliest = True
        else:
            request.after_position = position
        return request

    def _about(self, error: BaseException, wait: float) -> dict[str, object]:
        cause = fault_from(error).reason if isinstance(error, grpc.aio.AioRpcError) else "silence"
        return {"force": self.force, "destination": self.consumer, "cause": cause, "wait_seconds": wait}


def _examine(error: grpc.aio.AioRpcError | TimeoutError) -> float | None:
    """What the store asks us to wait; raises LogGapError when waiting will not help."""
    if isinstance(error, TimeoutError):
        return None
    fault: Fault = fault_from(error)
    if isinstance(fault, OutOfRange):
        first = fault.metadata.get("first_position", "")
        raise LogGapError(_gap_sentence(fault), int(first) if first.isdecimal() else 0) from None
    return fault.retry_after


def _gap_sentence(fault: Fault) -> str:
    if fault.reason == "POSITION_PURGED":
        return "the store deleted reads before they were delivered"
    return "the store's log is shorter than what was delivered, as after an old backup"


def _strip(response: TailReadsResponse, images: Images) -> None:
    if images == "patch":
        for batch in response.batches:
            batch.reads.ClearField("overviews")
