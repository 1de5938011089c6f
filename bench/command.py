"""The command's own processor time: importing it costs more than most of what it asks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from suite.suite import Suite

_TIMES: Final = 7
_GANTRY: Final = (sys.executable, "-c", "from cli.main import app; app()")
_SEARCH: Final = ("search", "AB12CDE", "--purpose", "Measuring the command")


@dataclass(frozen=True)
class Taken:
    """Milliseconds by the clock and of processor time, each the least of some runs."""

    clock_ms: float
    processor_ms: float


async def command_start() -> Taken:
    """`gantry --version`."""
    return await asyncio.to_thread(_least, ("--version",))


async def command_search(suite: Suite) -> Taken:
    """`gantry search` of a plate that nobody has seen."""
    return await asyncio.to_thread(_least, (*_SEARCH, "--home", str(suite.layout.folder)))


def _least(words: Sequence[str]) -> Taken:
    runs = [_run(words) for _ in range(_TIMES)]
    return Taken(min(run.clock_ms for run in runs), min(run.processor_ms for run in runs))


def _run(words: Sequence[str]) -> Taken:
    begun = time.perf_counter()
    child = subprocess.Popen([*_GANTRY, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"gantry {words[0]} ended with exit code {child.returncode}")
    return Taken((time.perf_counter() - begun) * 1000, (used.ru_utime + used.ru_stime) * 1000)
