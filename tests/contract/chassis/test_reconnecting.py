"""A channel whose server keeps failing connects anew, and reaches the replica that is well."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress

import grpc
import pytest

from chassis.client import ChannelsByForce, open_channel
from chassis.errors import Conflict, Unavailable
from chassis.reconnecting import Failing, ReconnectingChannel
from tests.chaos.proxy import Proxy, proxy_to
from tests.contract.chassis.conftest import SERVICE, Echo

OK, UNAVAILABLE = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE
DEADLINE_EXCEEDED, CANCELLED = grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_few_failures_for_some_seconds_are_needed() -> None:
    clock = Clock()
    failing = Failing(3.0, clock)
    assert not any(failing.ended(UNAVAILABLE) for _ in range(10))
    clock.now += 3.0
    assert failing.ended(DEADLINE_EXCEEDED)
    assert not failing.ended(UNAVAILABLE), "it counts anew"


def test_a_success_and_any_other_answer_of_the_server_count_as_well() -> None:
    for good in (OK, grpc.StatusCode.NOT_FOUND):
        clock = Clock()
        failing = Failing(3.0, clock)
        for _ in range(5):
            failing.ended(UNAVAILABLE)
        clock.now += 3.0
        assert not failing.ended(good)
        assert not failing.ended(UNAVAILABLE)


def test_a_call_that_we_gave_up_says_nothing() -> None:
    clock = Clock()
    failing = Failing(3.0, clock)
    for _ in range(2):
        failing.ended(UNAVAILABLE)
    clock.now += 3.0
    assert not failing.ended(CANCELLED)
    assert failing.ended(UNAVAILABLE)


def _in_turn(*addresses: str):
    turns = itertools.cycle(addresses)
    return lambda: next(turns)


async def _sick_and_well(lab) -> tuple[Echo, Echo, Proxy, object]:
    sick, well = Echo(), Echo()
    sick.failure = lambda: Unavailable("DATABASE_UNAVAILABLE", "away")
    servers = [await lab.echo(echo) for echo in (sick, well)]
    proxy = proxy_to(_in_turn(*(f"127.0.0.1:{server.ports['grpc']}" for server in servers)))
    return sick, well, await lab._opened.enter_async_context(proxy), lab.authority.service("ingest")


async def test_calls_that_keep_failing_reach_another_replica(lab, monkeypatch) -> None:
    monkeypatch.setattr("chassis.reconnecting.FAILING_SECONDS", 0.3)
    sick, well, proxy, tls = await _sick_and_well(lab)
    async with open_channel(proxy.address, tls, retries=False, reconnects=True) as channel:
        say = channel.unary_unary(f"/{SERVICE}/Say")
        async with asyncio.timeout(10):
            while not well.calls:
                with suppress(grpc.aio.AioRpcError):
                    await say(b"x")
                await asyncio.sleep(0.02)
        assert await say(b"x") == b"x"
    assert sick.calls >= 3
    assert proxy.connections == 2


async def test_streams_that_keep_failing_reach_another_replica_and_one_that_goes_on_is_left_alone(
    lab, monkeypatch
) -> None:
    monkeypatch.setattr("chassis.reconnecting.FAILING_SECONDS", 0.3)
    sick, well, proxy, tls = await _sick_and_well(lab)
    async with open_channel(proxy.address, tls, retries=False, reconnects=True) as channel:
        assert isinstance(channel, ReconnectingChannel)
        lasting = channel.unary_stream(f"/{SERVICE}/Follow")(b"")
        assert await lasting.read() == b"begun"
        async with asyncio.timeout(10):
            while not well.generators_closed:
                with suppress(grpc.aio.AioRpcError):
                    async for _ in channel.unary_stream(f"/{SERVICE}/Count")(b"1"):
                        pass
                await asyncio.sleep(0.02)
        assert len(channel._old) == 1
        assert sick.stopping is not None
        sick.stopping.set()
        assert await lasting.read() == b"ended"
        async with asyncio.timeout(10):
            while channel._old:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_server_that_refuses_for_good_reasons_is_kept(lab, echo, monkeypatch) -> None:
    monkeypatch.setattr("chassis.reconnecting.FAILING_SECONDS", 0.0)
    echo.failure = lambda: Conflict("NOT_NOW", "no")
    server, tls = await lab.echo(echo), lab.authority.service("ingest")
    async with (
        proxy_to(f"127.0.0.1:{server.ports['grpc']}") as proxy,
        open_channel(proxy.address, tls, retries=False, reconnects=True) as channel,
    ):
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(f"/{SERVICE}/Say")(b"x")
        assert proxy.connections == 1


async def test_the_channel_of_a_force_is_replaced_on_request_and_its_calls_go_on(lab, echo) -> None:
    server, tls = await lab.echo(echo), lab.authority.service("ingest")
    async with (
        proxy_to(f"127.0.0.1:{server.ports['grpc']}") as proxy,
        ChannelsByForce(proxy.address, tls) as channels,
    ):
        before = channels.of("essex")
        lasting = before.unary_stream(f"/{SERVICE}/Follow")(b"")
        assert await lasting.read() == b"begun"
        channels.reconnect("essex")
        channels.reconnect("kent")
        assert channels.of("essex") is not before
        assert await channels.of("essex").unary_unary(f"/{SERVICE}/Say")(b"x") == b"x"
        assert proxy.connections == 2
        server.stopping.set()
        assert await lasting.read() == b"ended"
