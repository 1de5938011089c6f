"""Answers of calls: a failed call raises the fault that the server raised."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

import grpc

from chassis.errors import fault_from

T = TypeVar("T")


async def answer_of(call: Awaitable[T]) -> T:
    """The answer of a unary call. Raises Fault."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise fault_from(error) from None


async def answers_of(call: grpc.aio.UnaryStreamCall[Any, T]) -> AsyncGenerator[T, None]:
    """The messages of a server stream; the call is cancelled when the caller stops. Raises Fault."""
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        raise fault_from(error) from None
    finally:
        call.cancel()
