"""Drops what a client still sends before a fault ends its call.

A client of grpc.aio whose write meets the end of its call reports INTERNAL, and not the fault. So a refused
call that may still send is read until the client half-closes or pauses. That takes memory, so only few calls
are drained at once, and fewer still of clients that nobody knows.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from typing import Any, Final

import grpc

from chassis.errors import InvalidInput
from chassis.identity import Call

QUIET_SECONDS: Final = 0.25
"""After so many seconds without a message, a client counts as not sending any more."""
_MOST_SECONDS: Final = 3.0
_MOST_SECONDS_BOTH_WAYS: Final = 0.5
_MOST_CALLS: Final = 64
_MOST_UNKNOWN: Final = 8

_drained: ContextVar[bool] = ContextVar("drained", default=False)


def mark_drained() -> None:
    """Tell that the handler of this call has itself dropped what its client still sent."""
    _drained.set(True)


class Draining:
    """Drains the refused calls of one server."""

    def __init__(self) -> None:
        self._calls = 0

    async def drain(self, context: Call, *, known: bool, both_ways: bool) -> None:
        """Read and drop until the client half-closes, pauses, or has sent for too long.

        `known`: the client has proved who it is. `both_ways`: it also waits for answers, so it may send on
        without end.
        """
        if _drained.get() or self._calls >= (_MOST_CALLS if known else _MOST_UNKNOWN):
            return
        self._calls += 1
        try:
            await _drop(context, _MOST_SECONDS_BOTH_WAYS if both_ways else _MOST_SECONDS)
        finally:
            self._calls -= 1


async def _drop(context: Call, seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    reading: asyncio.Task[Any] | None = None
    while time.monotonic() < ends_at:
        reading = asyncio.ensure_future(_read(context))
        done, _ = await asyncio.wait([reading], timeout=QUIET_SECONDS)
        if not done:
            reading.cancel()
            return
        if reading.result():
            return


async def _read(context: Call) -> bool:
    """Read a message; whether there is no more to read."""
    try:
        return await context.read() is grpc.aio.EOF
    except InvalidInput:
        return False
    except Exception:  # noqa: BLE001 - the handler may have left a read of its own, or the call has ended
        return True
