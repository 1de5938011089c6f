"""Stopping: new calls are refused, long streams end, calls in flight drain, then the owned tasks end."""

from __future__ import annotations

import asyncio
import json
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import health
from chassis.access import Rule
from chassis.errors import TRANSIENT_STATUSES, StartupFailure, Unavailable, fault_from


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
    async with asyncio.timeout(5):
        await echo.hangs.wait()
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


@pytest.mark.parametrize("method", ["Say", "Count", "Join", "Both"])
async def test_a_call_that_begins_after_the_stop_is_refused_with_a_reason_and_a_wait(
    lab, echo, service_name, method
):
    server = await lab.echo(echo)
    channel = (await lab.caller(server)).channel
    # The first thing that a stop does.
    server.stopping.set()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _called(channel, f"/{service_name}/{method}")
    fault = fault_from(raised.value)
    assert isinstance(fault, Unavailable)
    assert fault.reason == "STOPPING"
    assert fault.retry_after is not None
    assert 0.1 <= fault.retry_after <= 1.0
    assert (echo.calls, echo.generators_closed) == (0, 0)


async def _called(channel: grpc.aio.Channel, name: str) -> list[bytes]:
    """What any kind of call answers to one message."""
    call = channel.stream_stream(name)(iter([b"1"]))
    return [answer async for answer in call]


async def test_the_waits_of_refused_calls_differ(lab, echo, faults):
    server = await lab.echo(echo)
    caller = await lab.caller(server)
    server.stopping.set()
    waits = set()
    for _ in range(5):
        async with faults() as found:
            await caller.say("Say", b"x")
        waits.add(found[0].retry_after)
    assert len(waits) == 5


async def test_a_stop_tells_a_stranger_nothing(lab, echo, faults, authority):
    server = await lab.echo(echo, rules=Rule(services=frozenset({"match"})))
    caller = await lab.caller(server, authority.service("ingest"))
    server.stopping.set()
    async with faults() as found:
        await caller.say("Say", b"x")
    assert found[0].reason == "CALLER_NOT_ALLOWED"


async def test_calls_under_way_go_on_while_callbacks_run_and_new_ones_find_no_server(
    lab, echo, service_name, faults
):
    server = await lab.echo(echo)
    caller = await lab.caller(server)
    finish = asyncio.Event()
    server.on_stop(finish.wait)
    call = caller.channel.stream_stream(f"/{service_name}/Both")()
    await call.write(b"before")
    assert await call.read() == b"BEFORE"
    stopping = asyncio.create_task(server.stop())
    await server.stopping.wait()
    async with asyncio.timeout(3), faults() as found:
        await caller.say("Say", b"x")
    # CANCELLED when it reached gRPC in the very moment in which that shut down.
    assert found[0].status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert echo.calls == 0
    await call.write(b"after")
    assert await call.read() == b"AFTER"
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK
    assert not stopping.done()
    finish.set()
    await asyncio.wait_for(stopping, 3)


async def test_calls_are_ended_early_when_a_check_gets_no_answer(lab, echo, monkeypatch, caplog):
    _checks_at_once(monkeypatch)
    hanging = asyncio.Event()

    async def ready() -> None:
        if hanging.is_set():
            await asyncio.Event().wait()

    server = await lab.echo(echo, ready=ready, settings=lab.settings(drain_seconds=60))
    caller = await lab.caller(server)
    call = asyncio.create_task(caller.say("Hang", timeout=60))
    await asyncio.wait_for(echo.hangs.wait(), 5)
    hanging.set()
    await asyncio.wait_for(server.stop(), 5)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert raised.value.code() in TRANSIENT_STATUSES
    await asyncio.wait_for(echo.cancelled.wait(), 5)
    assert "a check of health gets no answer" in caplog.text


@pytest.mark.parametrize("failing", [False, True])
async def test_calls_go_on_while_checks_answer_whatever_they_say(
    lab, echo, monkeypatch, until, service_name, failing
):
    _checks_at_once(monkeypatch)
    rounds = 0

    async def ready() -> None:
        nonlocal rounds
        if server.stopping.is_set():
            rounds += 1
            if failing:
                raise Unavailable("DATABASE_UNAVAILABLE", "away")

    server = await lab.echo(echo, ready=ready)
    caller = await lab.caller(server)
    call = caller.channel.stream_stream(f"/{service_name}/Both")()
    await call.write(b"before")
    assert await call.read() == b"BEFORE"
    stopping = asyncio.create_task(server.stop())
    await until(lambda: rounds > 10)
    await call.write(b"after")
    assert await call.read() == b"AFTER"
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK
    await asyncio.wait_for(stopping, 3)


def _checks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(health, "_CHECK_SECONDS", 0.2)


async def test_the_order_is_stopping_then_callbacks_beside_the_drain_then_owned_tasks(lab, echo):
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
