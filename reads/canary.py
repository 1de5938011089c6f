"""The canary: a read by which the service tests itself. What its services agree on.

It hits an entry that only canaries match, so its plate may be one that a real camera could send.
"""

from __future__ import annotations

from typing import Final

CANARY: Final = "gantry-canary"
"""Name of its feed, its camera and its hotlist. Nobody else can use it."""

CANARY_VRM: Final = "CANARY"
"""Its plate, normalised."""


def canary_sequence(force: str) -> str:
    """What the sequence of events of a force's canaries is kept under, apart from those of its alerts.

    No force has such a code, since a code has no colon.
    """
    return f"{force}:canary"
