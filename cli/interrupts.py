"""Ctrl-C in two steps: the first stops the work gracefully, the second at once."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_interrupt(first: Callable[[], object], again: Callable[[], object] | None = None) -> Iterator[None]:
    """While in the block, the first interrupt or termination calls `first`, and each later one `again`.

    Later ones also cancel the task that is in the block.
    """
    loop, task, count = asyncio.get_running_loop(), asyncio.current_task(), 0
    assert task is not None, "only a task can be interrupted"
    signals = (signal.SIGINT, signal.SIGTERM)

    def interrupted() -> None:
        nonlocal count
        count += 1
        if count == 1:
            first()
            return
        if again is not None:
            again()
        task.cancel()

    for number in signals:
        loop.add_signal_handler(number, interrupted)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def cancel_current() -> Callable[[], object]:
    """A function that cancels the current task."""
    task = asyncio.current_task()
    assert task is not None, "only a task can be cancelled"
    return task.cancel


@contextmanager
def interruptible() -> Iterator[None]:
    """Around an event loop: turns a cancellation by an interrupt into KeyboardInterrupt."""
    try:
        yield
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
