"""Channels: retries are bounded, streams pass untouched, bad files are sentences."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from chassis.client import open_channel, retrying
from chassis.errors import Conflict, StartupFailure, Unavailable


async def test_unavailable_is_retried_by_the_channel(lab, echo):
    echo.failure, echo.failures_left = lambda: Unavailable("AWAY", "come back"), 2
    caller = await lab.caller(await lab.echo(echo))
    assert await caller.say("Say", b"x") == b"x"
    assert echo.calls == 3


async def test_the_channels_retries_are_bounded(lab, echo, faults):
    echo.failure = lambda: Unavailable("AWAY", "come back")
    caller = await lab.caller(await lab.echo(echo))
    async with faults() as found:
        await caller.say("Say")
    assert found[0].reason == "AWAY"
    assert 2 <= echo.calls <= 5


async def test_other_failures_are_not_retried(lab, echo, faults):
    echo.failure = lambda: Conflict("NOT_NOW", "no")
    caller = await lab.caller(await lab.echo(echo))
    async with faults():
        await caller.say("Say")
    assert echo.calls == 1


async def test_retrying_ends_with_success_or_the_last_fault(lab, echo):
    echo.failure, echo.failures_left = lambda: Conflict("LEASE_HELD", "held"), 3
    caller = await lab.caller(await lab.echo(echo))

    async def say() -> bytes:
        return await caller.say("Say", b"x")

    def held(fault) -> bool:
        return fault.reason == "LEASE_HELD"

    with pytest.raises(Conflict):
        await retrying(say, attempts=2, first=0.001, most=0.01, on=held)
    assert await retrying(say, attempts=5, first=0.001, most=0.01, on=held) == b"x"
    assert echo.calls == 4


async def test_retrying_gives_up_at_once_on_what_will_not_pass(lab, echo):
    echo.failure = lambda: Conflict("NEVER", "no")
    caller = await lab.caller(await lab.echo(echo))
    with pytest.raises(Conflict):
        await retrying(lambda: caller.say("Say"), attempts=9, first=9, most=9, on=lambda _: False)
    assert echo.calls == 1


async def test_all_four_kinds_of_call_pass_the_guards(lab, echo, service_name):
    caller = await lab.caller(await lab.echo(echo))
    assert [part async for part in caller.listen("Count", b"3")] == [b"0", b"1", b"2"]
    joined = caller.channel.stream_unary(f"/{service_name}/Join")(iter([b"a", b"b"]))
    assert await joined == b"ab"
    both = caller.channel.stream_stream(f"/{service_name}/Both")(iter([b"a", b"b"]))
    assert [part async for part in both] == [b"A", b"B"]


async def test_a_generator_is_closed_when_its_client_goes_away(lab, echo, until):
    caller = await lab.caller(await lab.echo(echo))
    call = caller.listen("Count", b"100000000")
    await call.read()
    call.cancel()
    await until(lambda: echo.generators_closed == 1)


async def test_a_wrong_server_name_is_refused(lab, echo):
    server = await lab.echo(echo)
    tls = lab.authority.service("ingest")
    async with open_channel(f"127.0.0.1:{server.ports['grpc']}", tls, server_name="elsewhere") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary("/x/y")(b"", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_an_unreadable_file_is_a_sentence(lab, tmp_path):
    tls = lab.authority.service("ingest").model_copy(update={"key": tmp_path / "gone.key"})
    with pytest.raises(StartupFailure, match=r"Cannot read .*gone\.key"):
        async with open_channel("127.0.0.1:1", tls):
            pass


async def test_a_thousand_calls_at_once_on_one_channel(lab, echo):
    caller = await lab.caller(await lab.echo(echo))
    streams = [caller.listen("Follow") for _ in range(1000)]
    assert set(await asyncio.gather(*(stream.read() for stream in streams))) == {b"begun"}
    assert await caller.say("Say", b"x") == b"x"
    for stream in streams:
        stream.cancel()
