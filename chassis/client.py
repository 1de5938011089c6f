"""Channels to other services."""

from __future__ import annotations
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
import grpc
from chassis.errors import Fault
from chassis.settings import TlsSettings

T = TypeVar("T")


@asynccontextmanager
async def open_channel(
    target: str,
    tls: TlsSettings,
    *,
    server_name: str = "localhost",
    max_message_bytes: int = 16 * 1024 * 1024,
) -> AsyncIterator[grpc.aio.Channel]:
    raise NotImplementedError
    yield


async def retrying(
    call: Callable[[], Awaitable[T]], *, attempts: int, first: float, most: float, on: Callable[[Fault], bool]
) -> T:
    raise NotImplementedError
