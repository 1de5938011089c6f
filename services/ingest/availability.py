"""Whether the store answers: decides how long to try, and refuses new work while it is known to be away."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from chassis.errors import Unavailable

_PAUSE_SECONDS: Final = 1.0
_SPREAD_SECONDS: Final = 4.0
_PROBE_SECONDS: Final = 2.0


class StoreAvailability:
    """Closed circuit, open circuit, and one probe at a time in between.

    After appends failed for `patience` seconds, work is refused for a second; then some is let through,
    with little patience, and its outcome decides.
    """

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._refused_until: float | None = None

    @property
    def patience(self) -> float:
        """Seconds to keep trying an append that begins now."""
        return self._patience if self._refused_until is None else min(self._patience, _PROBE_SECONDS)

    def check(self) -> None:
        """Raise Unavailable STORE_UNAVAILABLE while new work is useless."""
        if self._refused_until is not None and self._clock() < self._refused_until:
            raise store_unavailable()

    def worked(self) -> None:
        """An append was committed."""
        self._refused_until = None

    def failed(self) -> None:
        """An append ran out of patience."""
        self._refused_until = self._clock() + _PAUSE_SECONDS


def store_unavailable() -> Unavailable:
    """The fault for vendors; the wait differs, so that they do not come back all at once."""
    return Unavailable(
        "STORE_UNAVAILABLE",
        "reads cannot be stored at the moment; keep them, reconnect, and send again what is unacknowledged",
        retry_after=_PAUSE_SECONDS + random.uniform(0.0, _SPREAD_SECONDS),  # noqa: S311 - spread, not a secret
    )
