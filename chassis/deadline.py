"""A deadline is a budget: a call made on behalf of another gets no more time than the other has left."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from typing import Final

KEPT_BACK_SECONDS: Final = 0.02
"""What a callee keeps of its caller's deadline, to be able to answer that it failed."""

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


def begin(seconds: float) -> Token[float | None]:
    """Work done from here on, in this task and its children, answers to a call with this much left."""
    return _ends_at.set(time.monotonic() + seconds)


def end(token: Token[float | None]) -> None:
    """Undo `begin`."""
    _ends_at.reset(token)


def bounded(seconds: float) -> float:
    """At most `seconds`, and less when the call being served has less left; never negative."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return seconds
    return max(0.0, min(seconds, ends_at - time.monotonic() - KEPT_BACK_SECONDS))
