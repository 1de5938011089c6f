"""How a consumer follows a log: lease, tail, gather, line. README.md shows how a service uses it."""

from following.gaps import Gap, GapError, GapPolicy, SkipGaps, StopAtGaps
from following.gather import GatherLimits
from following.lease import DEFAULT_CURSOR, DesiredState, FencedError, Key, Lease, Move
from following.line import Line, MakeLine
from following.lines import Lines
from following.log import Item, Part, Source
from following.read_log import ReadLogSource
from following.rows import (
    ActualState,
    LineStatus,
    add_line,
    line_status,
    line_statuses,
    pause_line,
    restart_line,
    resume_line,
    retire_line,
    set_line_state,
)
from following.shown import Heads, ShownLine, ShownLines
from following.step import LineStoppedError, OpenStep, Progress, Step, StepFailedError

__all__ = [
    "DEFAULT_CURSOR",
    "ActualState",
    "DesiredState",
    "FencedError",
    "Gap",
    "GapError",
    "GapPolicy",
    "GatherLimits",
    "Heads",
    "Item",
    "Key",
    "Lease",
    "Line",
    "LineStatus",
    "LineStoppedError",
    "Lines",
    "MakeLine",
    "Move",
    "OpenStep",
    "Part",
    "Progress",
    "ReadLogSource",
    "ShownLine",
    "ShownLines",
    "SkipGaps",
    "Source",
    "Step",
    "StepFailedError",
    "StopAtGaps",
    "add_line",
    "line_status",
    "line_statuses",
    "pause_line",
    "restart_line",
    "resume_line",
    "retire_line",
    "set_line_state",
]
