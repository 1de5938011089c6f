"""Says in a sentence what a starting PostgreSQL does, from its log: how far its recovery is."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_SEGMENT_BYTES: Final = 16 << 20
_MEBIBYTE: Final = 1 << 20
_SEGMENT: Final = re.compile(r"[0-9A-F]{24}")
_REDO_STARTS: Final = re.compile(r"redo starts at ([0-9A-F]+/[0-9A-F]+)")
_REDO_AT: Final = re.compile(
    r"redo in progress, elapsed time: ([0-9.]+) s, current LSN: ([0-9A-F]+/[0-9A-F]+)"
)
_SYNCING: Final = re.compile(r"syncing data directory .*elapsed time: ([0-9.]+) s")
_BEGINS_AGAIN: Final = "all server processes terminated; reinitializing"
_READY: Final = "database system is ready to accept connections"
_RECOVERS: Final = "PostgreSQL recovers from a crash"


def starting_sentence(log: str, end: int | None) -> str:
    """What the server does now. `log` is what it has written since its start, `end` where its WAL ends."""
    begun = _REDO_STARTS.search(log)
    if begun is None:
        return _before_redo(log)
    begin = _lsn(begun[1])
    size = max(0, end - begin) if end is not None else 0
    if "redo done" in log:
        return f"{_RECOVERS}: redo is done, and a checkpoint writes it to disk"
    told = list(_REDO_AT.finditer(log))
    if not told:
        return f"{_RECOVERS}: redo begins{_of(size)}"
    return f"{_RECOVERS}: {_redo(float(told[-1][1]), _lsn(told[-1][2]) - begin, size)}"


def own_recovery(log: str) -> str:
    """The log of a recovery that a running server does by itself, such as after the kill of a session.

    Empty when it does none, or has ended it.
    """
    begun = log.rfind(_BEGINS_AGAIN)
    return log[begun:] if begun >= 0 and log.find(_READY, begun) < 0 else ""


def _redo(passed: float, done: int, size: int) -> str:
    if size <= 0:
        return f"redo has read {done // _MEBIBYTE:,} MiB of log in {passed:.0f} s"
    percent = min(99, 100 * done // size)
    left = f", about {passed * (100 - percent) / percent:.0f} s left" if percent > 0 else ""
    return f"redo is at {percent} %{_of(size)} after {passed:.0f} s{left}"


def end_of_wal(folder: Path) -> int | None:
    """About where the write-ahead log ends: the end of the segment that was written last. None: unknown."""
    newest: tuple[float, str] = (0.0, "")
    for file in _segments(folder):
        try:
            newest = max(newest, (file.stat().st_mtime, file.name))
        except OSError:
            continue
    name = newest[1]
    return (int(name[8:16], 16) << 32) + (int(name[16:24], 16) + 1) * _SEGMENT_BYTES if name else None


def _segments(folder: Path) -> Iterable[Path]:
    try:
        return [file for file in folder.iterdir() if _SEGMENT.fullmatch(file.name)]
    except OSError:
        return []


def _before_redo(log: str) -> str:
    syncing = list(_SYNCING.finditer(log))
    if syncing:
        return f"{_RECOVERS}: its files are being synced to disk, for {float(syncing[-1][1]):.0f} s"
    if "was interrupted" in log or "not properly shut down" in log:
        return f"{_RECOVERS}: it looks for the place where to begin"
    return "PostgreSQL is starting"


def _lsn(text: str) -> int:
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def _of(size: int) -> str:
    return f" of {size // _MEBIBYTE:,} MiB of log" if size > 0 else ""
