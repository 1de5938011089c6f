"""Log files that child processes write: limits their size, and quotes them when a process fails."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

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
    older = log.with_name(f"{log.name}.1")
    try:
        shutil.copy(log, older)
    except OSError:  # such as a full disk, to which the older lines are the first thing to give
        older.unlink(missing_ok=True)
    os.truncate(log, 0)


def lines_from(log: Path, offset: int, most: int = 1 << 20) -> str:
    """A log from an offset on, at most the last `most` bytes; from its begin when it was cut meanwhile."""
    try:
        with log.open("rb") as file:
            size = log.stat().st_size
            file.seek(max(offset if offset <= size else 0, size - most))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def last_lines(log: Path, count: int = 15) -> str:
    """The last lines of a log, to explain a failure; empty when there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 1000 * count))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-count:])


def reason_in(text: str) -> str:
    """Why a service cannot start or is not ready, in its own words: the newest it has logged. Or empty."""
    for line in reversed(text.splitlines()):
        if '"cannot start"' in line or '"readiness check failed"' in line:
            entry = _entry(line)
            if reason := entry.get("said") or entry.get("cause"):
                return str(reason).rstrip(".")
    return ""


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
