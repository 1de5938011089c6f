"""Appending to the store: tries again while that can help, and for a bounded time."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

import grpc
from gantry.store.v1.store_pb2 import AppendReadsResponse

from chassis.errors import Fault, fault_from
from chassis.names import SpanName
from chassis.telemetry import span_following
from services.ingest.availability import StoreAvailability, store_unavailable

FIRST_WAIT_SECONDS: Final = 0.05
_MOST_WAIT: Final = 2.0
_LEAST_TIMEOUT: Final = 0.5
_PASSING: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
    }
)

_log = logging.getLogger(__name__)


class Post(Protocol):
    """Sends a serialised AppendReadsRequest to the store."""

    def __call__(self, request: bytes, /, *, timeout: float) -> Awaitable[AppendReadsResponse]:
        """The store's answer. Raises grpc.aio.AioRpcError."""


class Appender:
    """One append at a time for whoever asks; repeats are harmless, since the store keeps a read once."""

    def __init__(
        self, post: Post, availability: StoreAvailability, first_wait: float = FIRST_WAIT_SECONDS
    ) -> None:
        self._first_wait = first_wait
        self._post = post
        self._availability = availability

    async def append(self, force: str, payload: bytes, traceparents: Sequence[str]) -> AppendReadsResponse:
        """Try until the store has it or patience ends. Raises Unavailable STORE_UNAVAILABLE, or the fault
        with which the store refused it for good.
        """
        with span_following(SpanName.INGEST_APPEND, traceparents, {"force": force}):
            ends_at, attempt = time.monotonic() + self._availability.patience, 0
            while True:
                try:
                    left = max(_LEAST_TIMEOUT, ends_at - time.monotonic())
                    response = await self._post(payload, timeout=left)
                except grpc.aio.AioRpcError as error:
                    fault = fault_from(error)
                else:
                    self._availability.worked()
                    return response
                attempt += 1
                await self._pause(force, fault, attempt, ends_at)

    async def _pause(self, force: str, fault: Fault, attempt: int, ends_at: float) -> None:
        """Wait before the next attempt. Raises when another is useless or comes too late."""
        if fault.status not in _PASSING and fault.retry_after is None:
            raise fault
        longest = min(_MOST_WAIT, self._first_wait * 2.0**attempt)
        wait = (fault.retry_after or 0.0) + random.uniform(0.0, longest)  # noqa: S311
        if time.monotonic() + wait > ends_at:
            self._availability.failed()
            _log.warning("the store does not take reads", extra={"force": force, "cause": fault.reason})
            raise store_unavailable()
        await asyncio.sleep(wait)
