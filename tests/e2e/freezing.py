"""Stops processes in mid-step, as a frozen machine does: they neither answer nor close a connection."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from suite.suite import Suite


@contextmanager
def frozen(suite: Suite, what: str) -> Iterator[None]:
    """Freeze a process of the suite, or "postgres" with all its sessions, inside the block."""
    root = suite.postgres.pid if what == "postgres" else suite.process(what).pid
    assert root is not None
    parent = psutil.Process(root)
    processes = [parent, *(parent.children() if what == "postgres" else ())]
    try:
        for process in processes:
            process.suspend()
        yield
    finally:
        for process in processes:
            process.resume()
