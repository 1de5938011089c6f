"""A line: lease, tail, gather, step, and result and cursor committed together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from chassis.backoff import Backoff
from following.gaps import GapPolicy, StopAtGaps
from following.gather import GatherLimits
from following.lease import DEFAULT_CURSOR, Lease
from following.log import I, Source
from following.step import OpenStep


@dataclass(frozen=True, slots=True)
class Line(Generic[I]):
    """The work of a line while a replica has its lease.

    With several `cursors` each follows the log on its own, with the one step that `open_step` opens; the
    store is told the least of them about once a second, unless `reports` is false (a shadow, for which
    retention does not wait). A step that takes longer than `slow_seconds` counts as failing meanwhile, and
    `slow_said` is shown to people. `first_wait` and `most_wait` (seconds) bound the back-off after a failure.
    """

    source: Source[I]
    open_step: OpenStep[I]
    limits: GatherLimits = field(default_factory=GatherLimits)
    gaps: GapPolicy = field(default_factory=StopAtGaps)
    cursors: Sequence[str] = (DEFAULT_CURSOR,)
    reports: bool = True
    slow_seconds: float | None = None
    slow_said: str = ""
    silence_seconds: float = 15.0
    first_wait: float = 0.1
    most_wait: float = 5.0

    def backoff(self) -> Backoff:
        """A back-off that starts from the first wait."""
        return Backoff(self.first_wait, self.most_wait)


MakeLine = Callable[[Lease], Line[Any] | Awaitable[Line[Any]]]
"""Makes the `Line` each time the line starts. It may read settings first. Raises like a step."""
