"""All lines of a replica: the loop that compares the rows with what runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import asyncpg

from following.lease import Lease
from following.line import Line


class Lines:
    """Runs the lines that this replica has the leases of.

    ``server.own(lines.run(), "lines")`` and ``server.on_stop(lines.stop)``. A replica reads the rows every
    0.4 s, renews its leases, takes free lines up to its share, and hands over what is beyond it. It starts a
    line that should follow, starts it again when its epoch or desired state changes, and stops one that is
    paused, stopped or retired.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        make: Callable[[Lease], Line[Any]],
        *,
        forces: Callable[[], Iterable[str]],
        in_every_force: Sequence[str] = (),
        stop_seconds: float = 10.0,
    ) -> None:
        """`make` gives what a line does, each time it starts. `forces` are the forces known at the moment.

        Lines named in `in_every_force` get a row, live, in each of them. Steps under way at a stop have
        `stop_seconds` to end.
        """

    async def run(self) -> None:
        """Run until cancelled or `stop`. Raises what a line fails of when that is a bug."""

    async def stop(self) -> None:
        """Stop all lines, each after the step under way, and release each lease at once. Then `run` ends."""

    def wake(self) -> None:
        """Read the rows now: one has changed, for example by `restart_line`."""
