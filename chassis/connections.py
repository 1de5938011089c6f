"""The bytes that the kernel has received on each connection of this process, by gRPC's name of the peer."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_RECEIVED: Final = struct.Struct("=Q")
# struct tcp_info of Linux: tcpi_bytes_received.
_RECEIVED_AT: Final = 128
_INFO_BYTES: Final = 136
_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)
_MAPPED: Final = "::ffff:"
_DESCRIPTORS: Final = Path("/proc/self/fd")

Name = tuple[str, int]
"""Host and port."""


class ConnectionBytes:
    """Finds connections among the process's own descriptors. Knows none on systems without TCP_INFO."""

    def __init__(self) -> None:
        self._descriptors: dict[Name, int] = {}

    def received(self, peers: Iterable[str]) -> dict[str, int]:
        """The bytes received on the connections of these peers. Those that are gone are left out."""
        names = {peer: peer_name(peer) for peer in peers}
        found = self._known(names)
        if len(found) < len(names):
            self._look_again()
            found = self._known(names)
        return found

    def _look_again(self) -> None:
        # Without a free descriptor there is no look at the descriptors. Those known before stay known.
        with suppress(OSError):
            self._descriptors = dict(_connections())

    def _known(self, names: Mapping[str, Name]) -> dict[str, int]:
        found: dict[str, int] = {}
        for peer, name in names.items():
            descriptor = self._descriptors.get(name)
            if descriptor is not None and (size := _received(descriptor, name)) is not None:
                found[peer] = size
        return found


def _received(descriptor: int, name: Name) -> int | None:
    """None when the descriptor is no longer of this connection."""
    opened = _socket(descriptor)
    if opened is None or _TCP_INFO is None:
        return None
    try:
        if _name(opened) != name:
            return None
        info = opened.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _INFO_BYTES)
    except OSError:
        return None
    finally:
        opened.detach()
    return None if len(info) < _INFO_BYTES else int(_RECEIVED.unpack_from(info, _RECEIVED_AT)[0])


def peer_name(peer: str) -> Name:
    """Host and port of gRPC's name of a peer, as "ipv4:10.0.0.1:5000" or "ipv6:[::1]:5000"."""
    host, _, port = unquote(peer).partition(":")[2].rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 0


def _name(opened: socket.socket) -> Name:
    host, port = opened.getpeername()[:2]
    return host.removeprefix(_MAPPED), port


def _connections() -> Iterable[tuple[Name, int]]:
    """The peer of each connection of this process, and the descriptor."""
    if not _DESCRIPTORS.is_dir():
        return
    for entry in list(_DESCRIPTORS.iterdir()):
        descriptor = int(entry.name)
        opened = _socket(descriptor)
        if opened is None:
            continue
        try:
            name = _name(opened)
        except OSError:
            continue
        finally:
            opened.detach()
        yield name, descriptor


def _socket(descriptor: int) -> socket.socket | None:
    """The socket of a descriptor, to be detached after use; None when it is no TCP socket."""
    try:
        opened = socket.socket(fileno=descriptor)
    except OSError:
        return None
    if opened.family in {socket.AF_INET, socket.AF_INET6} and opened.type == socket.SOCK_STREAM:
        return opened
    opened.detach()
    return None
