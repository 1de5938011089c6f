"""Log files that child processes write: limits their size, and quotes them when a process fails."""

import os
import shutil
from pathlib import Path

LARGEST = 16 << 20  # bytes


def rotate(log: Path, largest: int = LARGEST) -> None:
    """Move a log that is too large to ``.1``. Lines that are written meanwhile may be lost.

    The writer holds the file open for appending, so its content is copied away and the file cut to nothing.
    """
    try:
        if log.stat().st_size <= largest:
            return
    except FileNotFoundError:
        return
    shutil.copy(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)


def last_lines(log: Path, count: int = 15) -> str:
    """The last lines of a log, to explain a failure; empty when there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 1000 * count))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-count:])
