"""The rows of lines: desired state, actual state, and the verbs that change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

import asyncpg

from chassis.database import statements
from following.lease import DEFAULT_CURSOR, FOLLOWING_STATES, DesiredState

_SQL: Final = statements("following")


class ActualState(IntEnum):
    """The actual state of a line; as ForwarderState in gantry.bridge.v1."""

    RUNNING = 1
    RETRYING = 2
    STOPPED = 3
    PAUSED = 4
    IDLE = 5


@dataclass(frozen=True, slots=True)
class LineStatus:
    """A line from its row, the same at every replica.

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
        """Its actual state."""
        if self.state not in FOLLOWING_STATES:
            return ActualState.IDLE
        if self.stopped_reason:
            return ActualState.STOPPED
        if self.paused:
            return ActualState.PAUSED
        return ActualState.RETRYING if self.failing_since else ActualState.RUNNING


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
    await connection.execute(_SQL.add_lines, [force], [line], state, cursors)


async def line_status(connection: asyncpg.Connection, force: str, line: str) -> LineStatus | None:
    """One line."""
    row = await connection.fetchrow(_SQL.read_lines, force, line)
    return None if row is None else _status(row)


async def line_statuses(connection: asyncpg.Connection, force: str) -> list[LineStatus]:
    """The lines of a force by name."""
    return [_status(row) for row in await connection.fetch(_SQL.read_lines, force, None)]


async def pause_line(connection: asyncpg.Connection, force: str, line: str) -> LineStatus | None:
    """Pause a line: the step under way ends, and no other begins. A retired line stays retired."""
    await connection.execute(_SQL.pause_line, force, line)
    return await line_status(connection, force, line)


async def resume_line(connection: asyncpg.Connection, force: str, line: str) -> LineStatus | None:
    """Clear `paused` and `stopped_reason`. A retired line stays as it is."""
    await connection.execute(_SQL.resume_line, force, line)
    return await line_status(connection, force, line)


async def retire_line(connection: asyncpg.Connection, force: str, line: str) -> LineStatus | None:
    """Retire a line. This cannot be undone."""
    return await set_line_state(connection, force, line, DesiredState.RETIRED)


async def set_line_state(
    connection: asyncpg.Connection, force: str, line: str, state: DesiredState
) -> LineStatus | None:
    """Set the desired state of a line. A retired one stays as it is."""
    await connection.execute(_SQL.set_line_state, force, line, state)
    return await line_status(connection, force, line)


async def restart_line(connection: asyncpg.Connection, force: str, line: str) -> None:
    """Raise the epoch: uncommitted results of the line are refused, and it starts again from its cursor."""
    await connection.execute(_SQL.restart_line, force, line)


def _status(row: asyncpg.Record) -> LineStatus:
    return LineStatus(**{**row, "state": DesiredState(row["state"])})
