"""A circuit breaker: while a commit of a force cannot succeed, its appends are refused at once instead of queued."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from chassis.backoff import Backoff
from chassis.errors import Fault

_FIRST_SECONDS: Final = 0.05
_MOST_SECONDS: Final = 5.0


class Breaker:
    """Closed, until a failure opens it for the time of a back-off. Then one attempt at a time is let through."""

    def __init__(
        self, backoff: Backoff | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._backoff = backoff or Backoff(_FIRST_SECONDS, _MOST_SECONDS)
        self._monotonic = monotonic
        self._fault: Fault | None = None
        self._opens_until = 0.0
        self._is_trying = False

    @property
    def is_closed(self) -> bool:
        """Whether the last attempt succeeded."""
        return self._fault is None

    def admit(self) -> None:
        """Let an attempt through, or raise the fault of the last one with the time to wait."""
        if self._fault is None:
            return
        remaining = self._opens_until - self._monotonic()
        if remaining > 0 or self._is_trying:
            raise _again(self._fault, max(remaining, _FIRST_SECONDS))
        self._is_trying = True

    def failed(self, fault: Fault) -> None:
        """Open, after an attempt that failed."""
        self._fault = fault
        self._is_trying = False
        self._opens_until = self._monotonic() + self._backoff.next_wait()

    def succeeded(self) -> None:
        """Close."""
        self._fault = None
        self._is_trying = False
        self._backoff.succeeded()


def _again(fault: Fault, retry_after: float) -> Fault:
    return Fault(fault.status, fault.reason, fault.message, retry_after=retry_after)
