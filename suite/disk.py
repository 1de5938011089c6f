"""Tells whether a disk is full, which no restart mends and a person can."""

import errno
import re
import shutil
from pathlib import Path
from typing import Final

LEAST_FREE: Final = 32 << 20
"""Bytes. PostgreSQL's log grows by files of 16 MiB, and it stops when there is no room for the next one."""
_ENDED_BY_IT: Final = re.compile(r"(?:PANIC|FATAL):.*(?:No space left on device|Disk quota exceeded)")
_MEBIBYTE: Final = 1 << 20


def is_full(folder: Path) -> bool:
    """Whether the file system of a folder has no room for PostgreSQL to work in."""
    try:
        return shutil.disk_usage(folder).free < LEAST_FREE
    except OSError:
        return False


def is_for_want_of_room(error: BaseException) -> bool:
    """Whether a system call failed because the disk is full."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def ended_for_want_of_room(log: str) -> bool:
    """Whether PostgreSQL's log says that a write failed for want of room and ended it."""
    return _ENDED_BY_IT.search(log) is not None


def full_sentence(folder: Path) -> str:
    """What is wrong and what to do, when the disk of a folder is full."""
    try:
        free = f"{shutil.disk_usage(folder).free // _MEBIBYTE:,} MiB free"
    except OSError:
        free = "unknown room"
    return f"the disk of {folder} is full ({free}): make room there"
