"""TCP ports of 127.0.0.1 for the processes of a suite, the same ones again at every start."""

import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from suite.errors import SuiteError

_LOWEST = 20_000
_ATTEMPTS = 200


def free_port() -> int:
    """A port that nobody listens on, below those that outgoing connections use.

    A service that dies must get its port back; an outgoing connection could have taken it meanwhile.
    """
    below = _first_outgoing_port()
    for _ in range(_ATTEMPTS if below > _LOWEST + 1000 else 0):
        port = random.randrange(_LOWEST, below)  # noqa: S311 - chance spreads suites, nothing is secret
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether we could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def assign(names: Iterable[str], *, base: int = 0, before: Mapping[str, int] | None = None) -> dict[str, int]:
    """A port for each name: counted from `base`, or else the one it had `before` if free, or a free one.

    SuiteError when a port counted from `base` is taken.
    """
    if base:
        return {name: _required(base + number, name) for number, name in enumerate(names)}
    ports: dict[str, int] = {}
    for name in names:
        port = (before or {}).get(name, 0)
        while not port or port in ports.values() or not is_free(port):
            port = free_port()
        ports[name] = port
    return ports


def _required(port: int, name: str) -> int:
    if not is_free(port):
        raise SuiteError(f"port {port}, meant for {name}, is in use: choose another base port, or 0")
    return port


def _first_outgoing_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return 32_768
