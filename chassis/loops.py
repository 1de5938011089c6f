"""Background work that a service repeats until it stops. All rooms use this loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from chassis.backoff import Backoff
from chassis.transient import asked_wait, cause_of, is_transient

_FIRST_WAIT: Final = 0.2
_MOST_WAIT: Final = 10.0
_END_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


async def repeat(
    work: Callable[[], Awaitable[None]],
    *,
    name: str,
    every: float,
    wake: asyncio.Event | None = None,
    backoff: Backoff | None = None,
    log: logging.Logger = _log,
) -> None:
    """Run `work` again and again: `every` seconds after its last end, or as soon as `wake` is set.

    A transient error is logged once per outage and retried after a back-off. Any other error is raised, and
    ends the process through the owner of the task. A cancellation ends the loop within two seconds, whatever
    `work` raises in its place, as for a broken connection that it gives back to its pool.
    """
    backoff = backoff or Backoff(_FIRST_WAIT, max(_MOST_WAIT, every))
    failing = False
    while True:
        error = await _attempt(work, name, log)
        if error is None:
            if failing:
                log.info("%s works again", name)
            failing = False
            backoff.succeeded()
            await _pause(every, wake)
            continue
        if not failing:
            log.warning("%s failed", name, extra={"cause": cause_of(error)})
        failing = True
        await asyncio.sleep(backoff.next_wait(asked_wait(error)))


def raise_if_cancelled() -> None:
    """Raise CancelledError when this task was told to end: for a handler of errors that would go on."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _attempt(
    work: Callable[[], Awaitable[None]], name: str, log: logging.Logger
) -> BaseException | None:
    """The transient error with which `work` ended, or None."""
    # In a separate task, so that a cancellation waits neither for a silent connection nor for an error that
    # replaces the cancellation.
    running = asyncio.create_task(_run(work), name=name)
    try:
        await asyncio.wait([running])
    except asyncio.CancelledError:
        await _end(running, log)
        raise
    if running.cancelled():
        raise RuntimeError(f"{name} was cancelled from within, and not by its owner")
    error = running.exception()
    if error is not None and not is_transient(error):
        raise error
    return error


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _end(running: asyncio.Task[None], log: logging.Logger) -> None:
    running.cancel()
    await asyncio.wait([running], timeout=_END_SECONDS)
    if not running.done():
        log.warning("%s would not end", running.get_name())
    elif not running.cancelled():
        # Its error is not needed any more. Retrieving it keeps asyncio from logging it.
        running.exception()


async def _pause(every: float, wake: asyncio.Event | None) -> None:
    if wake is None:
        await asyncio.sleep(every)
        return
    try:
        async with asyncio.timeout(every):
            await wake.wait()
    except TimeoutError:
        return
    wake.clear()
