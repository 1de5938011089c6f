"""Ctrl-C in two steps: the first asks work to end well, the second ends it at once."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def on_interrupt(stop: asyncio.Event) -> Iterator[None]:
    """While in the block, the first interrupt or termination sets `stop`; another one cancels the task."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    signals = (signal.SIGINT, signal.SIGTERM)

    def interrupted() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    for number in signals:
        loop.add_signal_handler(number, interrupted)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
