"""Waits in tests: asks again until the answer is there, up to a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

POLL_SECONDS = 0.05

T = TypeVar("T")


async def eventually(ask: Callable[[], Awaitable[T]], *, within: float, what: str) -> T:
    """The first true answer of `ask`. AssertionError that names the condition, after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := await ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {within:g} s; the last answer was {answer!r}")
        await asyncio.sleep(POLL_SECONDS)
    return answer
