"""A deadline is a budget, never absent."""

from __future__ import annotations

import asyncio

import grpc

from chassis import guard
from chassis.access import Rule


async def _left(caller, **options) -> tuple[float, float]:
    answer = (await caller.say("Left", **options)).decode()
    deadline, bounded = answer.split()
    return float(deadline), float(bounded)


async def test_the_client_sets_ten_seconds_by_default(lab, echo):
    deadline, bounded = await _left(await lab.caller(await lab.echo(echo)))
    assert 5 < deadline <= 10
    assert 5 < bounded < deadline


async def test_a_caller_without_a_deadline_gets_thirty_seconds(lab, echo, register, service_name):
    server = await lab.server(rules=Rule(anyone=True), client_certificates=False)
    server.add(register, echo, service=service_name)
    await server.start()
    deadline, bounded = await _left(await lab.anonymous(server, "grpc"))
    assert deadline == -1
    assert 25 < bounded <= 30


async def test_a_handler_past_the_cap_is_stopped(lab, echo, faults, monkeypatch, register, service_name):
    monkeypatch.setattr(guard, "_DEFAULT_SECONDS", 0.1)
    server = await lab.server(rules=Rule(anyone=True), client_certificates=False)
    server.add(register, echo, service=service_name)
    await server.start()
    anonymous = await lab.anonymous(server, "grpc")
    async with faults() as found:
        await anonymous.say("Hang")
    assert (found[0].status, found[0].reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert echo.cancelled.is_set()


async def test_calls_made_for_a_call_have_less_than_it_has_left(lab, echo):
    behind = type(echo)()
    inner = await lab.caller(await lab.echo(behind))

    async def ask() -> str:
        return (await inner.say("Left", timeout=60)).decode()

    echo.inner = ask
    outer = await lab.caller(await lab.echo(echo))
    deadline, _ = await _left(outer, timeout=2)
    assert 0 < deadline < 2


async def test_work_that_cannot_finish_is_refused_before_it_starts(lab, echo):
    caller = await lab.caller(await lab.echo(echo))
    await caller.say("Say")
    calls = [caller.say("Say", timeout=0.0005) for _ in range(20)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    late = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert late
    assert {outcome.code() for outcome in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert echo.calls <= 1 + len(outcomes) - len(late)
