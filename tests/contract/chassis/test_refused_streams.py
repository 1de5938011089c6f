"""A stream that is refused while its client still sends ends with its own fault, for every kind of fault."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from chassis.access import Rule
from chassis.errors import Conflict, Fault, fault_from

TRIES = 200
AT_ONCE = 8
CHUNK = bytes(64 * 1024)
CHUNKS = 24
NOBODY = Rule()


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


async def _fault(start: Callable[[], Any]) -> Fault:
    call = start()
    try:
        if isinstance(call, grpc.aio.StreamUnaryCall):
            await call
        else:
            async for _ in call:
                pass
    except grpc.aio.AioRpcError as error:
        return fault_from(error)
    raise AssertionError("the call should have been refused")


async def _answers(start: Callable[[], Any]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()

    async def some(tries: int) -> None:
        for _ in range(tries):
            fault = await _fault(start)
            found[fault.status.name, fault.reason] += 1

    await asyncio.gather(*(some(TRIES // AT_ONCE) for _ in range(AT_ONCE)))
    return found


def _starting(channel: grpc.aio.Channel, service: str, method: str) -> Callable[[], Any]:
    open_call = channel.stream_unary if method == "Join" else channel.stream_stream
    call = open_call(f"/{service}/{method}")
    return lambda: call(_chunks(), timeout=20)


@pytest.mark.parametrize("method", ["Join", "Both"])
async def test_a_handler_refuses_in_the_middle(lab: Any, echo: Any, service_name: str, method: str) -> None:
    echo.failure = lambda: Conflict("BAD_START", "the second chunk is wrong")
    caller = await lab.caller(await lab.echo(echo))
    answers = await _answers(_starting(caller.channel, service_name, method))
    assert answers == {("FAILED_PRECONDITION", "BAD_START"): TRIES}


@pytest.mark.parametrize("method", ["Join", "Both"])
async def test_the_headers_are_refused(lab: Any, echo: Any, service_name: str, method: str) -> None:
    caller = await lab.caller(await lab.echo(echo, NOBODY))
    answers = await _answers(_starting(caller.channel, service_name, method))
    assert answers == {("PERMISSION_DENIED", "CALLER_NOT_ALLOWED"): TRIES}


@pytest.mark.parametrize("method", ["Join", "Both"])
async def test_a_method_that_does_not_exist(lab: Any, echo: Any, method: str) -> None:
    caller = await lab.caller(await lab.echo(echo))
    answers = await _answers(_starting(caller.channel, "gantry.test.v1.OtherService", method))
    assert answers == {("UNIMPLEMENTED", "UNIMPLEMENTED"): TRIES}


async def test_a_client_that_never_stops_sending_is_refused_all_the_same(
    lab: Any, echo: Any, service_name: str
) -> None:
    """The server drops no more than it must: a call that sends for ever ends too."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield CHUNK
            await asyncio.sleep(0.01)

    caller = await lab.caller(await lab.echo(echo, NOBODY))
    call = caller.channel.stream_stream(f"/{service_name}/Both")(endless(), timeout=20)
    async with asyncio.timeout(5):
        assert await call.code() is not grpc.StatusCode.OK
