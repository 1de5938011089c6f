"""TCP ports of 127.0.0.1 for the processes of a suite. Each start uses the same ports again."""

import socket
import sys
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import Final, Self

from suite.errors import SuiteError

_LINUX: Final = sys.platform == "linux"
_LOOPBACK: Final = "127.0.0.1"
_MARK: Final = "127.0.0.2"
_PLACES: Final = ((_MARK, False), (_LOOPBACK, True)) if _LINUX else ((_LOOPBACK, True),)
"""Where a held port is bound, and whether servers may bind it there, too.

No process listens on the mark: a port bound there shows other suites that it is held.
"""
_ATTEMPTS: Final = 100


class HeldPorts:
    """Ports reserved for processes that do not listen yet, or that are being restarted.

    Each port is held by sockets that are bound and never listen. The kernel then gives the port to no
    connection and to no process that asks for any port. A process that binds it with SO_REUSEADDR, as servers
    do, gets it. The kernel releases the sockets when their holder ends in any way.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._held: dict[int, list[socket.socket]] = {}

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
        """Hold the port; False when a process listens on it, or a suite holds it already."""
        return self._hold(port) is not None

    def another(self) -> int:
        """Hold a port that the kernel chooses. SuiteError when there seems to be none."""
        for _ in range(_ATTEMPTS):
            if port := self._hold(0):
                return port
        raise SuiteError("no free port found: stop what listens on this machine")

    def release(self) -> None:
        """Release all; harmless when none is held."""
        for sockets in self._held.values():
            _close(sockets)
        self._held.clear()

    def _hold(self, port: int) -> int | None:
        """Hold the port, or any for 0. The port that is held now, or None."""
        if port in self._held:
            return None
        sockets: list[socket.socket] = []
        for host, shared in _PLACES:
            one = _bound(host, port, shared=shared)
            if one is None:
                _close(sockets)
                return None
            port = one.getsockname()[1]
            sockets.append(one)
        self._held[port] = sockets
        if not _LINUX:
            _close(sockets)  # elsewhere a bound socket would keep servers from binding the port
        return port


def free_port() -> int:
    """A port that is free and not held, for a caller who listens on it at once."""
    with HeldPorts() as held:
        return held.another()


def assign(
    names: Iterable[str],
    held: HeldPorts,
    *,
    base: int = 0,
    before: Mapping[str, int] | None = None,
    lasting: Collection[str] = (),
) -> dict[str, int]:
    """A held port for each name: counted from `base`, or else the port it had `before` if that is free.

    Names in `lasting` keep the port that they had `before`. SuiteError when such a port, or one counted from
    `base`, is in use.
    """
    ports: dict[str, int] = {}
    for number, name in enumerate(names):
        port = (before or {}).get(name, 0)
        if port and name in lasting:
            ports[name] = _required(port, f"where destinations expect {name}", held)
        elif base:
            ports[name] = _required(base + number, f"meant for {name}", held)
        else:
            ports[name] = port if port and held.hold(port) else held.another()
    return ports


def _required(port: int, what: str, held: HeldPorts) -> int:
    if not held.hold(port):
        raise SuiteError(
            f"port {port}, {what}, is in use: stop what uses it, or choose another base port or folder"
        )
    return port


def _bound(host: str, port: int, *, shared: bool) -> socket.socket | None:
    """A socket bound to the port (0: any); None when it is taken. `shared`: servers may bind it, too."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(shared))
    try:
        one.bind((host, port))
    except OSError:
        one.close()
        return None
    return one


def _close(sockets: Iterable[socket.socket]) -> None:
    for one in sockets:
        one.close()
