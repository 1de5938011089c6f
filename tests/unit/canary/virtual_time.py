"""An event loop whose time passes at once: minutes of a canary take milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")


class _Selector(selectors.DefaultSelector):  # type: ignore[valid-type,misc] # which class depends on the system
    """Where a loop would wait for descriptors, its time passes instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits, and no time would end that"
        self.now += max(0.0, timeout)
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 0 seconds."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def freeze(self, seconds: float) -> None:
        """Let time pass in which nothing runs, as a stopped process does."""
        self._virtual.now += seconds


def now() -> float:
    """Seconds of the running loop."""
    return asyncio.get_running_loop().time()


def freeze(seconds: float) -> None:
    """Stand still for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.freeze(seconds)


def in_virtual_time(scenario: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test whose coroutine runs in a loop of its own."""

    @wraps(scenario)
    def test(*arguments: P.args, **named: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(scenario(*arguments, **named))

    return test
