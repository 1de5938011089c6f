"""Stopping: long streams first, then the calls in flight, then the owned tasks."""

from __future__ import annotations

import asyncio
import json
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.errors import StartupFailure


async def test_a_long_stream_that_watches_stopping_ends_well(lab, echo):
    server = await lab.echo(echo)
    caller = await lab.caller(server)
    call = caller.listen("Follow")
    assert await call.read() == b"begun"
    began = time.monotonic()
    await server.stop()
    assert time.monotonic() - began < 2
    assert await call.read() == b"ended"
    assert await call.code() is grpc.StatusCode.OK


async def test_a_call_in_flight_is_drained_and_one_that_hangs_is_cut(lab, echo, register, service_name):
    server = await lab.server(lab.settings(drain_seconds=0.3))
    server.add(register, echo, service=service_name)
    await server.start()
    caller = await lab.caller(server)
    call = asyncio.create_task(caller.say("Hang"))
    await caller.say("Say")
    began = time.monotonic()
    await server.stop()
    assert 0.2 < time.monotonic() - began < 3
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await call


async def test_an_open_health_watch_does_not_hold_the_stop(lab, echo):
    server = await lab.echo(echo)
    watch = health_pb2_grpc.HealthStub(await lab.health(server)).Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    began = time.monotonic()
    await server.stop()
    assert time.monotonic() - began < 2


async def test_the_order_is_stopping_then_callbacks_then_drain_then_owned_tasks(lab, echo):
    order: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            order.append("owned task")

    async def slow() -> None:
        order.append("async callback")

    def broken() -> None:
        order.append("broken callback")
        raise RuntimeError("a callback that fails")

    server = await lab.echo(echo)
    server.own(work(), "work")
    server.on_stop(broken)
    server.on_stop(slow)
    server.on_stop(lambda: order.append(f"stopping {server.stopping.is_set()}"))
    caller = await lab.caller(server)
    call = caller.listen("Follow")
    await call.read()
    call.add_done_callback(lambda _: order.append("stream"))
    await server.stop()
    await server.stop()
    assert order[:3] == ["broken callback", "async callback", "stopping True"]
    assert order[-1] == "owned task"


async def test_an_owned_task_that_dies_stops_the_server_and_is_raised(lab, echo, until):
    async def die() -> None:
        await asyncio.wait_for(echo_was_called.wait(), 5)
        raise LookupError("gone")

    echo_was_called = asyncio.Event()
    server = await lab.echo(echo)
    server.own(die(), "doomed")
    serving = asyncio.create_task(server.serve_until_signalled())
    await (await lab.caller(server)).say("Say")
    echo_was_called.set()
    with pytest.raises(LookupError):
        await asyncio.wait_for(serving, 5)
    assert server.stopping.is_set()


async def test_an_owned_task_may_end_by_itself(lab, echo):
    async def brief() -> None:
        return

    server = await lab.echo(echo)
    await server.own(brief(), "brief")
    assert await (await lab.caller(server)).say("Say", b"x") == b"x"


async def test_the_port_file_is_there_while_listening(lab, echo, register, service_name, tmp_path):
    file = tmp_path / "run" / "store.json"
    server = await lab.server(lab.settings(port_file=file))
    server.add(register, echo, service=service_name)
    server.add_port_public("127.0.0.1:0")
    await server.start()
    ports = json.loads(file.read_text())
    assert ports == server.ports
    assert set(ports) == {"grpc", "public", "health"}
    await server.stop()
    assert not file.exists()


async def test_a_port_in_use_is_a_sentence(lab, echo):
    taken = await lab.echo(echo)
    other = await lab.server(lab.settings(listen=f"127.0.0.1:{taken.ports['grpc']}"))
    with pytest.raises(StartupFailure, match="Cannot listen on"):
        await other.start()


async def test_a_key_that_does_not_fit_is_a_sentence(lab, echo, impostor):
    mixed = lab.authority.service("store").model_copy(update={"key": impostor.service("store").key})
    server = await lab.server(lab.settings().model_copy(update={"tls": mixed}))
    with pytest.raises(StartupFailure, match="Cannot listen on"):
        await server.start()


async def test_a_task_that_ends_badly_when_it_is_told_to_end_fails_nothing(lab, echo):
    server = await lab.echo(echo)
    began = asyncio.Event()

    async def confused() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            raise ConnectionResetError

    task = server.own(confused(), "confused")
    serving = asyncio.create_task(server.serve_until_signalled())
    await began.wait()
    server._signalled()
    await asyncio.wait_for(serving, 10)
    assert isinstance(task.exception(), ConnectionResetError)
