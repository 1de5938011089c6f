"""A proxy that can go silent, be cut off or reset connections, as a bad network between two programs does."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_PIECE_BYTES = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """One connection through the proxy."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._cut = False
        self._writers: list[asyncio.StreamWriter] = []

    async def carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter, target: str) -> None:
        """Carry bytes both ways until either side ends."""
        await self._open.wait()
        try:
            far, there = await _connection(target)
        except OSError:
            back.close()
            return
        self._writers = [back, there]
        ways = [asyncio.create_task(self._way(near, there)), asyncio.create_task(self._way(far, back))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for writer in self._writers:
                writer.close()

    def silence(self) -> None:
        """Carry nothing any more, and let neither side know: a router that forgot the connection."""
        self._open.clear()

    def cut(self) -> None:
        """Carry nothing until `mend`, and no end of the connection either: the network between is away."""
        self._cut = True
        self._open.clear()

    def mend(self) -> None:
        """Carry again, beginning with what was held up, as TCP does when the network is back."""
        self._cut = False
        self._open.set()

    def reset(self) -> None:
        """End it with a reset, whatever is under way."""
        self.mend()
        for writer in self._writers:
            end = writer.get_extra_info("socket")
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()

    async def _way(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(_PIECE_BYTES):
                await self._open.wait()
                sink.write(piece)
                await sink.drain()
        if self._cut:
            await self._open.wait()


async def _connection(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To HOST:PORT, or to the Unix socket of that path. Raises OSError."""
    if target.startswith("/"):
        return await asyncio.open_unix_connection(target)
    host, _, port = target.rpartition(":")
    return await asyncio.open_connection(host, int(port))


class Proxy:
    """Stands before a target, which is asked for at each new connection."""

    def __init__(self, target: Callable[[], str]) -> None:
        self._target = target
        self._links: set[Link] = set()
        self._is_cut = False
        self._refuses = False
        self.address = ""
        self.connections = 0

    def silence(self) -> int:
        """Silence all connections there are, and carry new ones; how many."""
        for link in self._links:
            link.silence()
        return len(self._links)

    def reset(self) -> int:
        """Reset all connections there are; how many."""
        for link in self._links:
            link.reset()
        return len(self._links)

    def cut(self) -> None:
        """Carry nothing, neither on the connections there are nor on new ones, until `mend`."""
        self._is_cut = True
        for link in self._links:
            link.cut()

    def refuse(self) -> None:
        """Reset the connections there are, and each new one, until `mend`."""
        self._refuses = True
        self.reset()

    def mend(self, *, broken: bool = False) -> None:
        """Carry again. The connections that were cut go on, or are reset when they are `broken`."""
        self._is_cut = self._refuses = False
        for link in self._links:
            link.reset() if broken else link.mend()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        link = Link()
        if self._is_cut:
            link.cut()
        self._links.add(link)
        self.connections += 1
        try:
            await link.carry(reader, writer, self._target())
        except asyncio.CancelledError:
            writer.close()
        finally:
            self._links.discard(link)


@asynccontextmanager
async def proxy_to(target: str | Callable[[], str], *, socket: Path | None = None) -> AsyncIterator[Proxy]:
    """A proxy on a free port of this machine, or on a Unix socket that other OS users may not enter.

    Targets are HOST:PORT, or the path of a Unix socket.
    """
    proxy = Proxy(target if callable(target) else lambda: target)
    if socket is None:
        server = await asyncio.start_server(proxy._connected, "127.0.0.1", 0)
        proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        server = await asyncio.start_unix_server(proxy._connected, socket)
        proxy.address = str(socket)
    try:
        yield proxy
    finally:
        server.close()
        proxy.mend()
        proxy.reset()
        await server.wait_closed()
