"""What a caller sends costs no more memory than it says, and a refused call leaves none."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from chassis import arrivals, server
from chassis.arrivals import Arrivals
from chassis.errors import Conflict

REFUSALS = 20


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Cycles stay: only what nothing refers to is freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("method", ["Say", "Both"])
async def test_a_refused_call_leaves_nothing(lab: Any, echo: Any, method: str, until: Any) -> None:
    """An error keeps the frames that it came through, and these keep the message."""
    made: list[weakref.ref[Conflict]] = []

    def fail() -> Conflict:
        fault = Conflict("BAD_START", "it is wrong")
        made.append(weakref.ref(fault))
        return fault

    echo.failure = fail
    caller = await lab.caller(await lab.echo(echo))
    for _ in range(REFUSALS):
        with pytest.raises(grpc.aio.AioRpcError):
            await _call(caller, method)
    await until(lambda: not any(each() for each in made))
    assert len(made) == REFUSALS


async def _call(caller: Any, method: str) -> None:
    if method == "Say":
        await caller.say(method, b"x")
        return
    call = caller.channel.stream_stream(f"/gantry.test.v1.EchoService/{method}")(iter([b"x"]))
    async for _ in call:
        pass


@pytest.mark.parametrize("how", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_compressed_call_is_refused(lab: Any, echo: Any, how: grpc.Compression) -> None:
    """Streams that are being read would unpack megabytes from kilobytes before anything could count them."""
    caller = await lab.caller(await lab.echo(echo))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await caller.say("Say", bytes(100_000), compression=how)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "Compression algorithm" in (refused.value.details() or "")
    assert await caller.say("Say", b"plain") == b"plain"


async def test_a_handshake_that_is_not_finished_ends(
    lab: Any, echo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_HANDSHAKE_MS", 300)
    port = (await lab.echo(echo)).ports["grpc"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01\x02\x00\x01")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_what_is_in_cycles_is_collected_when_the_process_has_grown(
    monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    resident = 100 * 2**20
    monkeypatch.setattr(arrivals, "_resident_bytes", lambda: resident)
    watch = asyncio.create_task(Arrivals(lambda _: [], seconds=1, unread_bytes=1024).run())
    gc.disable()
    # As a service does at its start. A collection of all that the tests hold would put off the next for long.
    gc.freeze()
    try:
        await asyncio.sleep(0.1)
        cycle = Conflict("X", "in a cycle")
        cycle.args = (cycle,)
        found = weakref.ref(cycle)
        del cycle
        await asyncio.sleep(0.1)
        assert found() is not None
        resident += 40 * 2**20
        await until(lambda: found() is None)
    finally:
        gc.unfreeze()
        gc.enable()
        watch.cancel()


async def test_collections_take_a_small_part_of_the_time(monkeypatch: pytest.MonkeyPatch, until: Any) -> None:
    """A vendor whose messages come and go makes the process grow and shrink, and others must not wait."""
    resident, collections = 100 * 2**20, 0

    def grown() -> int:
        nonlocal resident
        resident += 40 * 2**20
        return resident

    def collect() -> None:
        nonlocal collections
        collections += 1
        time.sleep(0.03)

    monkeypatch.setattr(arrivals, "_resident_bytes", grown)
    monkeypatch.setattr(gc, "collect", collect)
    started = time.monotonic()
    watch = asyncio.create_task(Arrivals(lambda _: [], seconds=1, unread_bytes=1024).run())
    try:
        await until(lambda: collections == 2)
        assert time.monotonic() - started > 0.5
    finally:
        watch.cancel()
