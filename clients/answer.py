"""How these clients take an answer: a failed call raises the fault that the far side raised."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import grpc

from chassis.errors import fault_from

T = TypeVar("T")


async def answer_of(call: Awaitable[T]) -> T:
    """What the call answers. Raises Fault."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise fault_from(error) from None
