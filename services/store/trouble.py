"""Why appends of a force fail."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.errors import Fault


@dataclass(frozen=True, slots=True)
class Trouble:
    """The fault of the last append, and since when appends fail, in seconds since 1970."""

    fault: Fault
    since: float
