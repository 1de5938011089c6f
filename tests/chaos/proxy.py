"""A TCP proxy that can go silent or reset connections, as a bad network between camera and server does."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_PIECE_BYTES = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """One connection through the proxy."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._writers: list[asyncio.StreamWriter] = []

    async def carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter, target: str) -> None:
        """Carry bytes both ways until either side ends."""
        host, _, port = target.rpartition(":")
        try:
            far, there = await asyncio.open_connection(host, int(port))
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

    def reset(self) -> None:
        """End it with a reset, whatever is under way."""
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


class Proxy:
    """Stands before a target, which is asked for at each new connection. New ones are always carried."""

    def __init__(self, target: Callable[[], str]) -> None:
        self._target = target
        self._links: set[Link] = set()
        self.address = ""
        self.connections = 0

    def silence(self) -> int:
        """Silence all connections there are; how many."""
        for link in self._links:
            link.silence()
        return len(self._links)

    def reset(self) -> int:
        """Reset all connections there are; how many."""
        for link in self._links:
            link.reset()
        return len(self._links)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link()
        self._links.add(link)
        self.connections += 1
        try:
            await link.carry(reader, writer, self._target())
        except asyncio.CancelledError:
            writer.close()
        finally:
            self._links.discard(link)


@asynccontextmanager
async def proxy_to(target: str | Callable[[], str]) -> AsyncIterator[Proxy]:
    """A proxy on a free port of this machine."""
    proxy = Proxy(target if callable(target) else lambda: target)
    server = await asyncio.start_server(proxy._connected, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.reset()
        await server.wait_closed()
