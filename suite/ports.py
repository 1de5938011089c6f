"""TCP ports of 127.0.0.1 for the processes of a suite, the same ones again at every start."""

import errno
import fcntl
import os
import random
import socket
import struct
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from suite.errors import SuiteError

_LOWEST = 20_000
_ATTEMPTS = 1000


class HeldPorts:
    """Ports promised to processes that are yet to listen, so that no other suite of this user takes them.

    Between the choice of a port and the moment when its process listens lie seconds, and again whenever that
    process is restarted. A held port is a byte locked in a file that all suites share; the kernel lets it go
    when its holder ends in any way.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._descriptor: int | None = None
        self._held: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def hold(self, port: int) -> bool:
        """Hold the port; False when somebody listens on it or it is held already."""
        if port in self._held or not is_free(port) or not self._lock(port):
            return False
        self._held.add(port)
        return True

    def another(self) -> int:
        """Hold a port that nobody listens on, below those that outgoing connections use.

        A service that dies must get its port back; an outgoing connection could have taken it meanwhile.
        SuiteError when there seems to be none.
        """
        below = _first_outgoing_port()
        lowest = _LOWEST if below > _LOWEST + _ATTEMPTS else 1024
        for _ in range(_ATTEMPTS):
            port = random.randrange(lowest, below)  # noqa: S311 - chance spreads suites, nothing is secret
            if self.hold(port):
                return port
        raise SuiteError(f"no free port found between {lowest} and {below}: stop what listens there")

    def release(self) -> None:
        """Let all go; harmless when none is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self._held.clear()

    def _lock(self, port: int) -> bool:
        if sys.platform != "linux":
            return True
        # Of an open file and not of a process (F_OFD): one process can have several suites.
        byte = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, port, 1, 0)
        try:
            fcntl.fcntl(self._opened(), fcntl.F_OFD_SETLK, byte)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            # A kernel that has no such locks leaves it to chance, which is mostly kind.
            if error.errno != errno.EINVAL:
                raise
        return True

    def _opened(self) -> int:
        if self._descriptor is None:
            file = Path(tempfile.gettempdir()) / f"gantry-ports-{os.geteuid()}"
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._descriptor = os.open(file, flags, 0o600)
            except OSError as error:
                raise SuiteError(
                    f"{file}, through which suites share ports, cannot be used: {error}"
                ) from None
        return self._descriptor


def free_port() -> int:
    """A port that nobody listens on or holds, for somebody who listens at once."""
    with HeldPorts() as held:
        return held.another()


def is_free(port: int) -> bool:
    """Whether we could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def assign(
    names: Iterable[str], held: HeldPorts, *, base: int = 0, before: Mapping[str, int] | None = None
) -> dict[str, int]:
    """A held port for each name: counted from `base`, or else the one it had `before` if free, or another.

    SuiteError when a port counted from `base` is taken.
    """
    if base:
        return {name: _required(base + number, name, held) for number, name in enumerate(names)}
    ports: dict[str, int] = {}
    for name in names:
        port = (before or {}).get(name, 0)
        ports[name] = port if port and held.hold(port) else held.another()
    return ports


def _required(port: int, name: str, held: HeldPorts) -> int:
    if not held.hold(port):
        raise SuiteError(f"port {port}, meant for {name}, is in use: choose another base port, or 0")
    return port


def _first_outgoing_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return 32_768
