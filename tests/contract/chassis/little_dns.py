"""A DNS server that knows one name, whose addresses change as those of a headless Service do."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final, cast

_A: Final = 1
_QUESTION_AT: Final = 12
_POINTER_TO_QUESTION: Final = b"\xc0\x0c"


class LittleDns(asyncio.DatagramProtocol):
    """Answers a question for IPv4 addresses with all of `addresses`, whatever name is asked for."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self.addresses = list(addresses)
        self.questions = 0
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It listens now."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """A question came."""
        assert self._transport is not None
        self._transport.sendto(self._answer(data), addr)

    def _answer(self, asked: bytes) -> bytes:
        ends = asked.index(b"\0", _QUESTION_AT) + 5
        (kind,) = struct.unpack_from("!H", asked, ends - 4)
        found = self.addresses if kind == _A else []
        self.questions += kind == _A
        header = struct.pack("!HHHHHH", *struct.unpack_from("!H", asked), 0x8580, 1, len(found), 0, 0)
        records = (
            _POINTER_TO_QUESTION + struct.pack("!HHIH", _A, 1, 0, 4) + ipaddress.IPv4Address(each).packed
            for each in found
        )
        return header + asked[_QUESTION_AT:ends] + b"".join(records)


@asynccontextmanager
async def little_dns(*addresses: str) -> AsyncIterator[LittleDns]:
    """A server on a free port of 127.0.0.1."""
    loop = asyncio.get_running_loop()
    transport, dns = await loop.create_datagram_endpoint(
        lambda: LittleDns(addresses), local_addr=("127.0.0.1", 0)
    )
    try:
        yield dns
    finally:
        transport.close()
