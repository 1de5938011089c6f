"""Processor time of each process of a suite, to see who costs what."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Final

from suite.suite import Suite

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def processor_seconds(suite: Suite) -> dict[str, float]:
    """Seconds of processor time so far by process; PostgreSQL and all its children count as one."""
    taken: dict[str, float] = defaultdict(float)
    owners = {process.pid: name for name, process in suite.processes.items()}
    owners[suite.postgres.pid] = "postgres"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Fields after the name: state, parent, ..., user and system time as the 12th and 13th.
        owner = owners.get(int(folder.name)) or owners.get(int(fields[1]))
        if owner is not None:
            taken[owner] += (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
    return dict(taken)
