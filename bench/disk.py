"""The time that the disk needs to make a page durable: no acknowledgement or alert can be faster."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

_PAGE: Final = 8192
_PAGES: Final = 1024
_EVERY_SECONDS: Final = 0.05


@asynccontextmanager
async def sync_times(folder: Path) -> AsyncIterator[list[float]]:
    """Milliseconds that writing 8 KiB took until they were durable, twenty times a second while in the block.

    The file has its full size beforehand, as PostgreSQL's log has, so that only data is synced.
    """
    taken: list[float] = []
    stop = threading.Event()
    probing = asyncio.create_task(asyncio.to_thread(_probe, folder / "disk-probe", taken, stop))
    try:
        yield taken
    finally:
        stop.set()
        await probing


def _probe(file: Path, taken: list[float], stop: threading.Event) -> None:
    with file.open("w+b", buffering=0) as probe:
        probe.write(bytes(_PAGE * _PAGES))
        os.fsync(probe)
        while not stop.wait(_EVERY_SECONDS):
            started = time.perf_counter()
            os.pwrite(probe.fileno(), b"x" * _PAGE, len(taken) % _PAGES * _PAGE)
            os.fdatasync(probe)
            taken.append((time.perf_counter() - started) * 1000)
    file.unlink()
