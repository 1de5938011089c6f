"""Deadlines: a call made on behalf of another call gets at most the time that the other has left."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from typing import Final

KEPT_BACK_SECONDS: Final = 0.02
"""The part of the caller's deadline that a callee keeps to send its answer."""

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


def begin(seconds: float) -> Token[float | None]:
    """Bound later work of this task and its children: the call being served has this much time left."""
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
