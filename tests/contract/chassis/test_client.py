"""Channels: retries are bounded, streams pass untouched, bad files are sentences."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import grpc
import pytest

from chassis.client import certified_name, open_channel, retrying
from chassis.errors import Conflict, StartupFailure, Unavailable
from tests.contract.chassis.conftest import SERVICE, add_echo


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


async def test_a_channel_without_retries_leaves_them_to_its_user(lab, echo):
    echo.failure = lambda: Unavailable("AWAY", "come back")
    server = await lab.echo(echo)
    tls = lab.authority.service("ingest")
    async with open_channel(f"127.0.0.1:{server.ports['grpc']}", tls, retries=False) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary(f"/{SERVICE}/Say")(b"x")
    assert echo.calls == 1


async def test_a_target_with_a_scheme_is_verified_by_its_host(lab, echo):
    server = await lab.echo(echo)
    tls = lab.authority.service("ingest")
    async with open_channel(f"dns:///localhost:{server.ports['grpc']}", tls, retries=False) as channel:
        assert await channel.unary_unary(f"/{SERVICE}/Say")(b"x") == b"x"


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


async def test_a_generator_is_closed_when_its_client_disconnects(lab, echo, until):
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


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1", "localhost"),
        ("127.8.8.8", "localhost"),
        ("[::1]", "localhost"),
        ("localhost", "localhost"),
        ("store.gantry.svc", "store.gantry.svc"),
        ("store", "store"),
        ("10.1.2.3", "10.1.2.3"),
        ("[2001:db8::7]", "2001:db8::7"),
    ],
)
def test_the_name_to_be_certified_is_the_host(host, name):
    assert certified_name(host) == name


class Tunnel:
    """An HTTP proxy that leads every name to one port: what a name service would do."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split()[1].decode())
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture
async def tunnelled(lab, echo, monkeypatch):
    """Serve the echo with a certificate for some names; every target that is not an address leads to it."""

    async def serve(*names: str) -> Tunnel:
        tls = lab.authority.issue("named", "gantry://service/store", dns=names)
        server = await lab.server(lab.settings().model_copy(update={"tls": tls}))
        server.add(add_echo, echo, service=SERVICE)
        await server.start()
        tunnel = Tunnel(server.ports["grpc"])
        proxy = await asyncio.start_server(tunnel.serve, "127.0.0.1", 0)
        monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        monkeypatch.delenv("no_grpc_proxy", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        opened.append(proxy)
        return tunnel

    opened: list[asyncio.Server] = []
    yield serve
    for proxy in opened:
        proxy.close()


async def _say(target: str, tls, **options) -> bytes:
    async with open_channel(target, tls, **options) as channel:
        return await channel.unary_unary(f"/{SERVICE}/Say")(b"x", timeout=5)


@pytest.mark.parametrize("target", ["store.gantry.svc:7000", "dns:///store.gantry.svc:7000"])
async def test_a_service_is_called_by_the_name_in_its_certificate(lab, tunnelled, target):
    tunnel = await tunnelled("store.gantry.svc")
    assert await _say(target, lab.authority.service("ingest")) == b"x"
    assert tunnel.asked[0] == "store.gantry.svc:7000"


async def test_another_name_than_the_one_called_is_refused_unless_it_is_said(lab, tunnelled):
    await tunnelled("store.gantry.svc")
    ours = lab.authority.service("ingest")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _say("store.elsewhere:7000", ours)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await _say("store.elsewhere:7000", ours, server_name="store.gantry.svc") == b"x"


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
