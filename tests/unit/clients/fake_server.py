"""A gRPC server in this process without certificates, for clients tested against scripted answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from chassis.errors import DETAILS_KEY, Fault, encode_fault

Register = Callable[[Any, grpc.aio.Server], None]


class FakeServer:
    """Starts and stops on one port, as a service does that is restarted."""

    def __init__(self, register: Register, servicer: Any) -> None:
        self._register, self._servicer = register, servicer
        self._server: grpc.aio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._register(self._servicer, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None


@asynccontextmanager
async def serving(register: Register, servicer: Any) -> AsyncIterator[tuple[FakeServer, grpc.aio.Channel]]:
    """The server, started, and a channel to it."""
    server = FakeServer(register, servicer)
    await server.start()
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel:
        try:
            yield server, channel
        finally:
            await server.stop()


async def refuse(context: Any, fault: Fault) -> None:
    """End a call as the chassis does."""
    await context.abort(fault.status, fault.message, ((DETAILS_KEY, encode_fault(fault)),))
