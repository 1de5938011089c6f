"""Which troubles end by themselves, for loops that outlive them."""

from __future__ import annotations

import asyncio

from chassis.database_faults import database_fault
from chassis.errors import Fault
from services.match.postgres import Fenced


def passes(error: BaseException) -> bool:
    """Whether the trouble ends by itself: something is away, or somebody else was first."""
    if isinstance(error, Fault | Fenced | OSError | TimeoutError):
        return True
    return database_fault(error) is not None


def go_on_after(error: Exception) -> None:
    """Return if a loop may go on after `error`; else raise it, or CancelledError if told to end.

    A connection that breaks while a cancelled task gives it back puts its own error in the place of the
    CancelledError; a loop that goes on after errors would never end then.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    if not passes(error):
        raise error
