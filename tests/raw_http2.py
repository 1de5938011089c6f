"""A client of HTTP/2 that begins messages and does not end them, which no gRPC client does."""

import asyncio
import contextlib
import ssl
import struct
from collections import defaultdict, deque
from pathlib import Path
from types import TracebackType
from typing import Self

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_WINDOW_SETTING = 4
_FRAME_BYTES = 16_384
_WINDOW = 65_535


class RawConnection:
    """One connection over TLS, as an asynchronous context. It keeps to the server's flow control."""

    def __init__(self, address: str, authority: Path, token: str = "") -> None:
        self._address = address
        self._authority = authority
        self._token = token
        self._window = _WINDOW
        self._initial = _WINDOW
        self._windows: dict[int, int] = {}
        self._waiting: dict[int, deque[memoryview]] = {}
        self._room = asyncio.Event()
        self.ended: dict[int, bytes] = {}
        """The streams that the server has ended, with its last frame for each."""
        self.sent = 0

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=self._authority)
        context.set_alpn_protocols(["h2"])
        host, _, port = self._address.rpartition(":")
        self._reader, self._writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname="localhost"
        )
        self._writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0))
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        # A polite end of TLS would wait half a minute for the other side's.
        self._writer.transport.abort()

    def begin(self, stream: int, path: str) -> None:
        """Open a call. Streams have odd, rising numbers."""
        fields = {
            ":method": "POST",
            ":scheme": "https",
            ":path": path,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        if self._token:
            fields["authorization"] = f"Bearer {self._token}"
        block = b"".join(_header(*each) for each in fields.items())
        self._windows[stream] = self._initial
        self._writer.write(_frame(_HEADERS, _END_HEADERS, stream, block))

    def send(self, stream: int, announced: int, content: bytes) -> None:
        """Send the first bytes of a message of `announced` bytes, as the server has room for them."""
        waiting = self._waiting.setdefault(stream, deque())
        waiting.extend((memoryview(struct.pack(">BI", 0, announced)), memoryview(content)))
        self._room.set()

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, ssl.SSLError):
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                self._take(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
        for stream in self._windows:
            self.ended.setdefault(stream, b"the connection")

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            self._adjust(payload)
            self._writer.write(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self._writer.write(_frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW_UPDATE:
            size = int.from_bytes(payload, "big")
            if stream:
                self._windows[stream] = self._windows.get(stream, 0) + size
            else:
                self._window += size
        elif kind == _RST_STREAM or (kind == _HEADERS and flags & _END_STREAM):
            self.ended.setdefault(stream, payload)
            self._waiting.pop(stream, None)
        self._room.set()

    def _adjust(self, payload: bytes) -> None:
        settings: defaultdict[int, int] = defaultdict(int)
        for at in range(0, len(payload), 6):
            name, value = struct.unpack_from(">HI", payload, at)
            settings[name] = value
        if initial := settings[_WINDOW_SETTING]:
            for stream in self._windows:
                self._windows[stream] += initial - self._initial
            self._initial = initial

    async def _write(self) -> None:
        while True:
            self._room.clear()
            if not any([await self._send_some(stream) for stream in list(self._waiting)]):
                await self._room.wait()

    async def _send_some(self, stream: int) -> bool:
        waiting = self._waiting.get(stream)
        size = min(len(waiting[0]), self._window, self._windows[stream], _FRAME_BYTES) if waiting else 0
        if size <= 0 or not waiting:
            return False
        content = waiting.popleft()
        if size < len(content):
            waiting.appendleft(content[size:])
        self._window -= size
        self._windows[stream] -= size
        self.sent += size
        self._writer.write(_frame(_DATA, 0, stream, bytes(content[:size])))
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._writer.drain()
        return True


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _header(name: str, value: str) -> bytes:
    """A literal field of HPACK, neither indexed nor compressed."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
