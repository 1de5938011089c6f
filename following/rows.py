"""The rows of lines: what should run, what runs, and the verbs that change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import asyncpg

from following.lease import DEFAULT_CURSOR, DesiredState


class ActualState(IntEnum):
    """What a line is doing; as ForwarderState in gantry.bridge.v1."""

    RUNNING = 1
    RETRYING = 2
    STOPPED = 3
    PAUSED = 4
    IDLE = 5


@dataclass(frozen=True, slots=True)
class LineStatus:
    """A line as its row says, the same at every replica.

    `position` is the least of its cursors and `head` the greatest head they know. `owner` is "" when no
    replica runs it. `last_progress_at` is when a cursor last moved; `failing_since` since when none did
    although there was something to process.
    """

    force: str
    line: str
    state: DesiredState
    paused: bool
    stopped_reason: str
    owner: str
    epoch: int
    last_error: str
    failing_since: datetime | None
    last_progress_at: datetime | None
    position: int
    head: int

    @property
    def actual(self) -> ActualState:
        """What it is doing."""
        raise NotImplementedError


# Each verb runs in a transaction of the caller that has declared the force (`chassis.database.in_forces`), so
# that it commits together with the service's own rows. None: there is no such line.


async def add_line(
    connection: asyncpg.Connection,
    force: str,
    line: str,
    *,
    state: DesiredState = DesiredState.LIVE,
    cursors: Sequence[str] = (DEFAULT_CURSOR,),
) -> None:
    """Make a line's row and cursors; where they exist nothing changes."""


async def line_status(connection: asyncpg.Connection, force: str, line: str) -> LineStatus | None:
    """One line."""


async def line_statuses(connection: asyncpg.Connection, force: str) -> list[LineStatus]:
    """The lines of a force by name."""


async def pause_line(connection: asyncpg.Connection, force: str, line: str) -> LineStatus | None:
    """Pause a line: its step under way is brought to its end, and none is begun. A retired one stays so."""


async def resume_line(connection: asyncpg.Connection, force: str, line: str) -> LineStatus | None:
    """Clear `paused` and `stopped_reason`. A retired line stays as it is."""


async def retire_line(connection: asyncpg.Connection, force: str, line: str) -> LineStatus | None:
    """Retire a line for ever."""


async def set_line_state(
    connection: asyncpg.Connection, force: str, line: str, state: DesiredState
) -> LineStatus | None:
    """Set what a line should do. A retired one stays as it is."""


async def restart_line(connection: asyncpg.Connection, force: str, line: str) -> None:
    """Raise the epoch: what the line has not committed is refused, and it starts again from its cursor."""
