"""The gRPC server of any service."""

from __future__ import annotations
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
import grpc
from chassis.settings import ServiceSettings

Servicer = TypeVar("Servicer")


class GrpcServer:
    stopping: asyncio.Event

    def add(
        self,
        register: Callable[[Servicer, grpc.aio.Server], None],
        servicer: Servicer,
        *,
        service: str,
        callers: Sequence[str] | None,
        ready: Callable[[], Awaitable[None]] | None = None,
        public: bool = False,
    ) -> None:
        raise NotImplementedError

    def add_raw(self, service: str, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> None:
        raise NotImplementedError

    def add_port_public(self, listen: str) -> None:
        raise NotImplementedError

    def on_stop(self, callback: Callable[[], Awaitable[None] | None]) -> None:
        raise NotImplementedError

    def own(self, coro: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    async def serve_until_signalled(self) -> None:
        raise NotImplementedError


@asynccontextmanager
async def grpc_server(
    settings: ServiceSettings, *, client_certificates: bool = True
) -> AsyncIterator[GrpcServer]:
    raise NotImplementedError
    yield
