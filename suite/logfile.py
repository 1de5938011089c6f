"""Log files that children write by themselves: kept within a size, and quoted when one fails."""

import os
import shutil
from pathlib import Path

LARGEST = 16 << 20  # bytes


def rotate(log: Path, largest: int = LARGEST) -> None:
    """Keep a log that grew too large as ``.1`` and start it afresh; lines written meanwhile may be lost.

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
    """The end of a log, for a failure's explanation; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 1000 * count))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-count:])
