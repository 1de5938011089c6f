"""A client that sends headers and half a body holds nothing for longer than the time a message may take."""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from typing import Any

import grpc
import pytest

DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1
MESSAGE_SECONDS = 0.3


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _header(name: str, value: str) -> bytes:
    """A literal field of HPACK, neither indexed nor compressed."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class Http2:
    """As much of HTTP/2 as it takes to send half a message, which no gRPC client does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS, 0, 0))

    def begin(self, stream: int, path: str) -> None:
        fields = [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        block = b"".join(_header(*each) for each in fields)
        self._writer.write(_frame(HEADERS, END_HEADERS, stream, block))

    def send(self, stream: int, announced: int, sent: int) -> None:
        """The first `sent` bytes of a message of `announced` bytes."""
        self._writer.write(_frame(DATA, 0, stream, struct.pack(">BI", 0, announced) + b"x" * sent))

    async def ended(self, streams: set[int]) -> None:
        """Wait until the server has ended all of these streams."""
        while streams:
            head = await self._reader.readexactly(9)
            payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind == SETTINGS and not flags & ACK:
                self._writer.write(_frame(SETTINGS, ACK, 0))
            if kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM):
                streams.discard(stream)
            assert payload is not None

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
async def server(lab, echo, register, service_name) -> Any:
    server = await lab.server(lab.settings(message_seconds=MESSAGE_SECONDS))
    server.add(register, echo, service=service_name)
    await server.start()
    return server


@pytest.fixture
async def http2(lab, server) -> Any:
    tls = lab.authority.service("ingest")
    context = ssl.create_default_context(cafile=tls.authority)
    context.load_cert_chain(tls.certificate, tls.key)
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.ports["grpc"], ssl=context, server_hostname="localhost"
    )
    opened = Http2(reader, writer)
    yield opened
    opened.close()


@pytest.mark.parametrize("method", ["Say", "Count"])
async def test_half_a_body_is_late_and_its_call_ends(lab, echo, http2, server, service_name, until, method):
    before = len(asyncio.all_tasks())
    streams = set(range(1, 81, 2))
    for stream in streams:
        http2.begin(stream, f"/{service_name}/{method}")
        http2.send(stream, announced=1_000_000, sent=1_000)
    began = time.monotonic()
    async with asyncio.timeout(10):
        await http2.ended(streams)
    assert MESSAGE_SECONDS * 0.9 < time.monotonic() - began < MESSAGE_SECONDS + 5
    assert echo.calls == 0
    await until(lambda: len(asyncio.all_tasks()) <= before)
    assert await (await lab.caller(server)).say("Say", b"x") == b"x"


async def test_many_calls_without_a_body_leave_nothing_behind(lab, echo, server, service_name, until):
    caller = await lab.caller(server)
    await caller.say("Say", b"x")
    before = len(asyncio.all_tasks())
    calls = [caller.channel.stream_unary(f"/{service_name}/Say")(timeout=20) for _ in range(300)]
    codes = {await call.code() for call in calls}
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
    await until(lambda: len(asyncio.all_tasks()) <= before)
    assert echo.calls == 1
