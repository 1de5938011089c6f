"""Says, when a program ends, how many reads no server has acknowledged: its memory of them ends too."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakSet

T = TypeVar("T")

_SIGNAL_EXIT: Final = 128
_log = logging.getLogger("gantry_sdk")


class Leaving(Protocol):
    """A stream that may hold reads when it ends."""

    @property
    def held_reads(self) -> int:
        """Reads given to it and not acknowledged."""

    @property
    def target(self) -> str:
        """Its server."""


_open: WeakSet[Any] = WeakSet()
_lost: Counter[str] = Counter()


def opened(stream: Leaving) -> None:
    """A stream begins. From now on the end of the process is told of its reads."""
    if not _open:
        _replace(signal.SIG_DFL, _terminated)
    _open.add(stream)


def ended(stream: Leaving) -> None:
    """A stream has ended. What several streams leave is told together, when the last one has ended."""
    if stream not in _open:
        return
    _open.discard(stream)
    _lost[stream.target] += stream.held_reads
    if not _open:
        _tell()
        _replace(_terminated, signal.SIG_DFL)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program like `asyncio.run`, and end it without a traceback when it is told to stop.

    Ctrl-C and SIGTERM cancel it. The exit code is then 130 or 143. A second signal ends the process at once.
    """
    stopped: list[int] = []
    with asyncio.Runner() as runner:
        try:
            return runner.run(_stoppable(main, stopped))
        except asyncio.CancelledError:
            if not stopped:
                raise
        except KeyboardInterrupt:
            stopped.append(signal.SIGINT)
    raise SystemExit(_SIGNAL_EXIT + stopped[0])


async def _stoppable(main: Coroutine[Any, Any, T], stopped: list[int]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a runner runs a task"

    def stop(number: int) -> None:
        stopped.append(number)
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)
            signal.signal(one, signal.SIG_DFL)
        task.cancel()

    # Not on Windows, where Ctrl-C alone ends a program.
    with suppress(NotImplementedError):
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, stop, one)
    return await main


def _tell() -> None:
    for target, count in _lost.items():
        reads = "1 read was" if count == 1 else f"{count:,} reads were"
        if count:
            _log.warning(
                "%s: %s not acknowledged, and may not be stored. Sending again does no harm", target, reads
            )
    _lost.clear()


@atexit.register
def _tell_rest() -> None:
    while _open:
        with suppress(KeyError):
            stream = _open.pop()
            _lost[stream.target] += stream.held_reads
    _tell()


def _terminated(number: int, _frame: object) -> None:
    """Nobody else takes SIGTERM: say what is lost, then end as without us."""
    _tell_rest()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _replace(expected: Any, handler: Any) -> None:
    """Change what SIGTERM does, unless the program has chosen itself."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) == expected:
        signal.signal(signal.SIGTERM, handler)
