"""A circuit breaker: while commits of a force fail, its appends are refused at once instead of queued."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from chassis.backoff import Backoff
from chassis.errors import Fault
from services.store.trouble import Trouble

_FIRST_SECONDS: Final = 0.1
_MOST_SECONDS: Final = 5.0
_LEAST_WAIT: Final = 0.05


class Breaker:
    """Closed until an attempt fails.

    Then open for the time of a back-off, after which attempts are allowed.
    """

    def __init__(
        self,
        backoff: Backoff | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._backoff = backoff or Backoff(_FIRST_SECONDS, _MOST_SECONDS)
        self._monotonic = monotonic
        self._clock = clock
        self._trouble: Trouble | None = None
        self._open_until = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether the last attempt succeeded."""
        return self._trouble is None

    @property
    def trouble(self) -> Trouble | None:
        """The fault of the last attempt, and since when attempts fail; None when the last one succeeded."""
        return self._trouble

    def refusal(self) -> Fault | None:
        """While the breaker is open: the fault of the last attempt, with the time to wait."""
        if self._trouble is None:
            return None
        remaining = self._open_until - self._monotonic()
        if remaining <= 0:
            return None
        fault = self._trouble.fault
        return Fault(fault.status, fault.reason, fault.message, retry_after=max(remaining, _LEAST_WAIT))

    def failed(self, fault: Fault) -> None:
        """Open: an attempt failed."""
        since = self._clock() if self._trouble is None else self._trouble.since
        self._trouble = Trouble(fault, since)
        self._open_until = self._monotonic() + self._backoff.next_wait()

    def succeeded(self) -> None:
        """Close: an attempt succeeded."""
        self._trouble = None
        self._backoff.succeeded()
