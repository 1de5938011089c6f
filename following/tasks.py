"""Tasks that run and end together, however often one of them has to be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable
from typing import Any, Final

from chassis.transient import is_transient, leaves

_PATIENCE_SECONDS: Final = 1.0
_TIMES: Final = 5


class EndlessTaskError(Exception):
    """A task does not end although it was cancelled several times."""


async def ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end. Raises EndlessTaskError.

    Each is cancelled again every second. A task that releases a dead connection while it is cancelled may
    wait without end, and only another cancellation ends that.
    """
    waiting = {task for task in tasks if not task.done()}
    for _ in range(_TIMES):
        if not waiting:
            return
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_PATIENCE_SECONDS)
    if waiting:
        raise EndlessTaskError(", ".join(task.get_name() for task in waiting))


async def together(
    work: Iterable[Coroutine[Any, Any, None]], beside: Iterable[Coroutine[Any, Any, None]]
) -> None:
    """Run until all `work` is done, with what runs `beside` it. Raises the `decisive` failure."""
    working = [asyncio.create_task(each) for each in work]
    tasks = [*working, *(asyncio.create_task(each) for each in beside)]
    for task in tasks:
        # Retrieve their errors when this is cancelled while they end. Otherwise asyncio logs them as lost.
        task.add_done_callback(_failed)
    try:
        while not all(task.done() for task in working) and not any(map(_failed, tasks)):
            going_on = [task for task in tasks if not task.done()]
            await asyncio.wait(going_on, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(tasks)
    failures = [error for task in tasks if not task.cancelled() and (error := task.exception())]
    if failures:
        raise decisive(*failures)


def decisive(*errors: BaseException) -> BaseException:
    """The error that decides what to do next: one that is not transient, if there is any.

    Groups are opened.
    """
    flat = [leaf for error in errors for leaf in leaves(error)]
    return next((error for error in flat if not is_transient(error)), flat[0])


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


async def wait_unless(event: asyncio.Event, seconds: float) -> bool:
    """Wait so many seconds, or until `event` is set; returns whether it is."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return event.is_set()
