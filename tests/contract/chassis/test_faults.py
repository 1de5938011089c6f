"""Errors on the wire: coded ones arrive whole, all others arrive bare."""

from __future__ import annotations

import asyncio
import logging

import asyncpg
import grpc
import pytest
from google.protobuf.message import DecodeError

from chassis import guard
from chassis.errors import INTERNAL_TEXT, Exhausted, Fault, InvalidInput, NotFound
from chassis.logs import JsonLines

PLATE = "AB12CDE"


async def _gather_into(got: list[bytes], call) -> None:
    # One by one: a comprehension would lose the messages before the failure.
    async for part in call:
        got += [part]


async def test_a_fault_arrives_with_all_its_details(lab, echo, faults):
    echo.failure = lambda: Exhausted(
        "SLOW_DOWN", "too much in flight", retry_after=1.5, field="batch", metadata={"limit": "500"}
    )
    caller = await lab.caller(await lab.echo(echo))
    async with faults() as found:
        await caller.say("Say")
    fault = found[0]
    assert type(fault) is Exhausted
    assert (fault.reason, fault.message, fault.retry_after) == ("SLOW_DOWN", "too much in flight", 1.5)
    assert (fault.field, fault.metadata) == ("batch", {"limit": "500"})


async def test_a_stream_ends_with_its_fault_after_its_messages(lab, echo, faults):
    echo.failure = lambda: NotFound("GONE", "nothing more")
    caller = await lab.caller(await lab.echo(echo))
    got: list[bytes] = []
    async with faults() as found:
        await _gather_into(got, caller.listen("Count", b"3", timeout=5))
    assert got == [b"0", b"1", b"2"]
    assert found[0].reason == "GONE"
    assert echo.generators_closed == 1


@pytest.mark.parametrize("method", ["Say", "Count"])
async def test_a_bug_arrives_bare_and_its_text_stays_out_of_the_log_too(lab, echo, faults, caplog, method):
    def bug() -> BaseException:
        return KeyError(PLATE)

    echo.failure = bug
    caller = await lab.caller(await lab.echo(echo))
    with caplog.at_level(logging.ERROR):
        async with faults() as found:
            if method == "Say":
                await caller.say(method)
            else:
                _ = [part async for part in caller.listen(method, b"0", timeout=5)]
    assert (found[0].status, found[0].message) == (grpc.StatusCode.INTERNAL, INTERNAL_TEXT)
    record = next(record for record in caplog.records if record.message == "call failed")
    assert record.exc_info is not None
    line = JsonLines("store").format(record)
    assert "KeyError" in line
    assert PLATE not in line


async def test_what_the_handler_aborts_with_is_left_alone(lab, echo, caplog):
    caller = await lab.caller(await lab.echo(echo))
    with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as raised:
        await caller.say("Abort")
    assert raised.value.code() is grpc.StatusCode.DATA_LOSS
    assert raised.value.details() == "said by the handler"
    assert not caplog.records


@pytest.mark.parametrize(
    ("failure", "status", "reason"),
    [
        (asyncpg.ConnectionDoesNotExistError(PLATE), "UNAVAILABLE", "DATABASE_UNAVAILABLE"),
        (asyncpg.AdminShutdownError(PLATE), "UNAVAILABLE", "DATABASE_UNAVAILABLE"),
        (
            asyncpg.InterfaceError("the underlying connection is closed"),
            "UNAVAILABLE",
            "DATABASE_UNAVAILABLE",
        ),
        (asyncpg.DiskFullError(PLATE), "RESOURCE_EXHAUSTED", "STORAGE_FULL"),
        (asyncpg.UniqueViolationError(PLATE), "INTERNAL", "INTERNAL"),
        (ExceptionGroup("tasks", [InvalidInput("BAD", "bad")]), "INVALID_ARGUMENT", "BAD"),
        (ExceptionGroup("tasks", [InvalidInput("BAD", "bad"), KeyError("x")]), "INTERNAL", "INTERNAL"),
        (Fault(grpc.StatusCode.DATA_LOSS, "TORN", "torn"), "DATA_LOSS", "TORN"),
        (TimeoutError(), "INTERNAL", "INTERNAL"),
    ],
)
async def test_each_failure_has_one_status(lab, echo, faults, failure, status, reason):
    echo.failure = lambda: failure
    # UNAVAILABLE is retried by the channel, so the handler may be called more than once.
    caller = await lab.caller(await lab.echo(echo))
    async with faults() as found:
        await caller.say("Say")
    assert (found[0].status.name, found[0].reason) == (status, reason)
    assert PLATE not in found[0].message


async def test_a_message_of_any_length_and_script_arrives(lab, echo, faults):
    echo.failure = lambda: InvalidInput("LONG", "Straße ✓ " * 1000)
    caller = await lab.caller(await lab.echo(echo))
    async with faults() as found:
        await caller.say("Say")
    assert found[0].reason == "LONG"
    assert found[0].message.startswith("Straße ✓")


async def test_a_client_that_disconnects_cancels_the_handler_without_a_log(lab, echo, caplog):
    caller = await lab.caller(await lab.echo(echo))
    with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as raised:
        await caller.say("Hang", timeout=0.2)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(5):
        await echo.cancelled.wait()
    assert not caplog.records


async def test_an_oversized_message_is_refused(lab, echo, register, service_name):
    server = await lab.server(lab.settings(max_message_bytes=1024))
    server.add(register, echo, service=service_name)
    await server.start()
    caller = await lab.caller(server)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await caller.say("Say", b"x" * 4096)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def _parse(data: bytes) -> bytes:
    if data == b"no message":
        raise DecodeError("Error parsing message")
    return data


@pytest.mark.parametrize("method", ["Say", "Count", "Join", "Both"])
async def test_bytes_that_are_no_message_are_the_callers_fault_by_reason_and_no_error_of_ours(
    lab, echo, faults, caplog, service_name, method
):
    handlers = {
        "Say": grpc.unary_unary_rpc_method_handler(echo.Say, _parse),
        "Count": grpc.unary_stream_rpc_method_handler(echo.Count, _parse),
        "Join": grpc.stream_unary_rpc_method_handler(echo.Join, _parse),
        "Both": grpc.stream_stream_rpc_method_handler(echo.Both, _parse),
    }

    def register(_, server) -> None:
        server.add_registered_method_handlers(service_name, handlers)

    server = await lab.server()
    server.add(register, echo, service=service_name)
    await server.start()
    channel = (await lab.caller(server)).channel
    name = f"/{service_name}/{method}"
    calls = {
        "Say": lambda: channel.unary_unary(name)(b"no message"),
        "Count": lambda: _all(channel.unary_stream(name)(b"no message")),
        "Join": lambda: channel.stream_unary(name)(iter([b"good", b"no message"])),
        "Both": lambda: _all(channel.stream_stream(name)(iter([b"good", b"no message"]))),
    }
    async with faults() as found:
        await calls[method]()
    assert (type(found[0]), found[0].reason) == (InvalidInput, "MALFORMED_MESSAGE")
    assert echo.calls == 0
    assert not caplog.records


async def _all(call) -> list[bytes]:
    return [part async for part in call]


async def test_failures_of_ours_are_counted_from_zero_and_by_kind(lab, echo, faults, monkeypatch):
    counted: dict[tuple[str, str], int] = {}

    class Counted:
        def add(self, failures: int, labels: dict[str, str]) -> None:
            key = labels["method"].rpartition("/")[2], labels["kind"]
            counted[key] = counted.get(key, 0) + failures

    monkeypatch.setattr(guard, "_failures", Counted())
    caller = await lab.caller(await lab.echo(echo))
    assert (
        counted["Say", "unexpected"] == counted["Say", "unavailable"] == counted["Count", "unexpected"] == 0
    )
    late = Fault(grpc.StatusCode.DEADLINE_EXCEEDED, "LATE", "too late")
    for failure in (RuntimeError("a bug"), late, NotFound("GONE", "nothing more")):
        echo.failure = lambda failure=failure: failure
        async with faults():
            await caller.say("Say")
        async with faults():
            await _gather_into([], caller.listen("Count", b"1", timeout=5))
    assert {key: count for key, count in counted.items() if count} == {
        ("Say", "unexpected"): 1,
        ("Say", "unavailable"): 1,
        ("Count", "unexpected"): 1,
        ("Count", "unavailable"): 1,
    }
