"""File descriptors of this process: connections take them, and so do files, the database and health checks.

A client that nobody knows can open connections without end. So each port takes only so many that descriptors
are left for the rest. gRPC closes those beyond at once, and their clients try again.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from pathlib import Path
from typing import Final

_ENOUGH: Final = 20_000
_OTHER_FILES: Final = 256
_PORTS: Final = 2
_LOOK_SECONDS: Final = 2.0
_DESCRIPTORS: Final = Path("/proc/self/fd")

_log = logging.getLogger(__name__)


def raise_limit() -> None:
    """Allow this process what it may have by itself, up to what connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Connections that each port of this process may take."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _ENOUGH if soft == resource.RLIM_INFINITY else soft
    return max(limit - _OTHER_FILES, limit // 2) // _PORTS


async def watch(most: int) -> None:
    """Log when a port may have its most connections, and when it has room again. Without end."""
    full = False
    while True:
        opened = _opened()
        if full != (opened is None or opened >= most):
            full = not full
            about = {"descriptors": opened, "most_connections": most}
            if full:
                _log.error("too many connections: new ones are closed until others end", extra=about)
            else:
                _log.info("connections are taken again", extra=about)
        await asyncio.sleep(_LOOK_SECONDS)


def _opened() -> int | None:
    """The descriptors in use, or None when there is none left to look with."""
    try:
        return len([*_DESCRIPTORS.iterdir()])
    except FileNotFoundError:  # not on Linux
        return 0
    except OSError:
        return None
