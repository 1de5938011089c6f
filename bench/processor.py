"""Processor time of each process of a suite."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress

import psutil

from suite.suite import Suite


def processor_seconds(suite: Suite) -> dict[str, float]:
    """Seconds of processor time so far by process; PostgreSQL and all its children count as one."""
    taken: dict[str, float] = defaultdict(float)
    owners = {process.pid: name for name, process in suite.processes.items()} | {
        suite.postgres.pid: "postgres"
    }
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            owner = owners.get(process.pid) or owners.get(process.ppid())
            if owner is not None:
                times = process.cpu_times()
                taken[owner] += times.user + times.system
    return dict(taken)
