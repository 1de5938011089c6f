"""A circuit breaker for each force: whether the store accepts its reads."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from chassis.errors import Exhausted, Fault, Unavailable

STORAGE_FULL: Final = "STORAGE_FULL"
STORE_UNAVAILABLE: Final = "STORE_UNAVAILABLE"
_OPEN_SECONDS: Final = 1.0
_SPREAD_SECONDS: Final = 4.0
_PROBE_SECONDS: Final = 2.0
# Vendors come back within half a minute; then the next append fails too, or none is tried any more.
_RECENT_SECONDS: Final = 60.0


class StoreAvailability:
    """Closed, open, or half-open with a short time-out.

    After appends of the force failed for `patience` seconds, its new work is refused for a second. Then work
    is admitted again with a shorter time-out, and the next append closes or opens the circuit.
    """

    def __init__(
        self,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        """`refused` is called for each refusal."""
        self._patience = patience
        self._clock = clock
        self._refused = refused
        self._open_until: float | None = None
        self._cause = ""
        self._failing_since = self._failed_at = 0.0

    @property
    def failing_seconds(self) -> float:
        """For how long appends have failed; 0 when the last one succeeded, or is long ago."""
        now = self._clock()
        if self._open_until is None or now - self._failed_at > _RECENT_SECONDS:
            return 0.0
        return now - self._failing_since

    @property
    def patience(self) -> float:
        """Seconds for which an append that begins now is tried."""
        return self._patience if self._open_until is None else min(self._patience, _PROBE_SECONDS)

    def check(self, *, counted: bool = True) -> None:
        """Raise what `refusal` makes of the cause while the circuit is open. `counted`: as a refusal."""
        if self._open_until is not None and self._clock() < self._open_until:
            if counted:
                self._refused()
            raise refusal(self._cause)

    def succeeded(self) -> None:
        """An append was committed."""
        self._open_until = None

    def failed(self, cause: str) -> None:
        """An append was tried for too long. `cause` is the reason of the store's last fault."""
        self._cause = cause
        now = self._clock()
        if self._open_until is None or now - self._failed_at > _RECENT_SECONDS:
            self._failing_since = now
        self._failed_at = now
        self._open_until = now + _OPEN_SECONDS


def refusal(cause: str) -> Fault:
    """The fault for vendors: STORAGE_FULL when that is the cause, and STORE_UNAVAILABLE otherwise.

    Its wait is random, so that they do not reconnect all at once.
    """
    wait = _OPEN_SECONDS + random.uniform(0.0, _SPREAD_SECONDS)  # noqa: S311 - jitter
    if cause == STORAGE_FULL:
        return Exhausted(
            "STORAGE_FULL",
            "the server has no space left; keep the reads, reconnect, and send again what is unacknowledged",
            retry_after=wait,
        )
    return Unavailable(
        "STORE_UNAVAILABLE",
        "reads cannot be stored at the moment; keep them, reconnect, and send again what is unacknowledged",
        retry_after=wait,
    )
