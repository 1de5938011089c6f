"""Health is asked of the service and told by the chassis."""

from __future__ import annotations

import asyncio

from grpc_health.v1 import health_pb2, health_pb2_grpc

Status = health_pb2.HealthCheckResponse


async def _status(channel, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    return answer.status


async def test_readiness_follows_the_check_and_liveness_does_not(lab, echo, until, service_name):
    broken = asyncio.Event()
    broken.set()

    async def ready() -> None:
        if broken.is_set():
            raise ConnectionRefusedError

    server = await lab.echo(echo, ready=ready)
    channel = await lab.health(server)
    assert await _status(channel) == Status.NOT_SERVING
    assert await _status(channel, service_name) == Status.NOT_SERVING
    assert await _status(channel, "liveness") == Status.SERVING

    async def serving() -> bool:
        return await _status(channel) == await _status(channel, service_name) == Status.SERVING

    async def not_serving() -> bool:
        return await _status(channel) == Status.NOT_SERVING

    broken.clear()
    await until(serving)
    broken.set()
    await until(not_serving)


async def test_a_check_that_hangs_counts_as_not_ready(lab, echo, until):
    began = asyncio.Event()

    async def hang() -> None:
        began.set()
        await asyncio.Event().wait()

    server = await lab.echo(echo, ready=hang)
    channel = await lab.health(server)
    await asyncio.wait_for(began.wait(), 5)
    assert await _status(channel) == Status.NOT_SERVING


async def test_watchers_share_one_check_and_hear_of_the_end(lab, echo):
    asked = 0

    async def ready() -> None:
        nonlocal asked
        asked += 1

    server = await lab.echo(echo, ready=ready)
    stub = health_pb2_grpc.HealthStub(await lab.health(server))
    watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(20)]
    for watch in watches:
        answer = await watch.read()
        while answer.status != Status.SERVING:
            answer = await watch.read()
    assert asked <= 3
    stopping = asyncio.create_task(server.stop())
    assert (await watches[0].read()).status == Status.NOT_SERVING
    await stopping


async def test_a_service_without_a_check_is_ready_once_it_listens(lab, echo, until, service_name):
    channel = await lab.health(await lab.echo(echo))

    async def serving() -> bool:
        return await _status(channel, service_name) == Status.SERVING

    await until(serving)


async def test_a_process_that_stops_is_alive_and_not_ready_until_it_has_drained(
    lab, echo, until, service_name
):
    server = await lab.echo(echo)
    channel = await lab.health(server)
    drained = asyncio.Event()
    server.on_stop(drained.wait)

    async def ready() -> bool:
        return await _status(channel) == Status.SERVING

    async def not_ready() -> bool:
        return not await ready()

    await until(ready)
    stopping = asyncio.create_task(server.stop())
    await until(not_ready)
    # Long enough for another round of checks, which must change nothing.
    for _ in range(15):
        assert await _status(channel, service_name) == Status.NOT_SERVING
        assert await _status(channel, "liveness") == Status.SERVING
        await asyncio.sleep(0.1)
    drained.set()
    await stopping


async def test_a_server_that_takes_no_calls_has_no_port_for_them_and_is_ready_by_its_checks(lab, until):
    broken = asyncio.Event()
    broken.set()

    async def ready() -> None:
        if broken.is_set():
            raise ConnectionRefusedError

    server = await lab.server(takes_calls=False)
    server.add_check("directory", ready)
    await server.start()
    assert server.ports.keys() == {"health"}
    channel = await lab.health(server)
    assert await _status(channel) == Status.NOT_SERVING
    broken.clear()

    async def serving() -> bool:
        return await _status(channel) == await _status(channel, "directory") == Status.SERVING

    await until(serving)
