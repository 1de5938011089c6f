"""A feed's messages that begin and do not end: bounded in bytes and in time. Idle streams are left alone."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from chassis.access import Rule
from chassis.arrivals import Arrivals
from chassis.errors import Conflict, fault_from
from chassis.identity import Caller
from tests.raw_http2 import RawConnection

FEEDS = Rule(feeds=True)
TOKEN, OTHER_TOKEN = "secret", "other"
FORCES = {TOKEN: "essex", OTHER_TOKEN: "kent"}
SECONDS = 1.0
MOST = 3_000_000
MESSAGE = 1_000_000


class Tokens:
    def caller(self, token: str) -> Caller | None:
        force = FORCES.get(token)
        return Caller("feed", f"{force}/gateway", frozenset({force})) if force else None


@dataclass
class Watched:
    server: Any
    held: Counter[str]
    lab: Any

    def raw(self) -> RawConnection:
        address = f"127.0.0.1:{self.server.ports['public']}"
        return RawConnection(address, self.lab.authority.service("ingest").authority, TOKEN)


@pytest.fixture
async def watched(lab: Any, echo: Any, register: Any, service_name: str) -> Watched:
    held: Counter[str] = Counter()

    def judge(now: Mapping[str, int]) -> list[str]:
        held.clear()
        held.update(now)
        return [force for force, size in now.items() if size > MOST]

    arrivals = Arrivals(judge, seconds=SECONDS, unread_bytes=32 * 1024)
    server = await lab.server(lab.settings(), FEEDS, feeds=Tokens(), arrivals=arrivals)
    server.add(register, echo, service=service_name, public=True)
    server.add_port_public("127.0.0.1:0")
    await server.start()
    return Watched(server, held, lab)


async def test_half_a_later_message_of_a_stream_is_late(
    watched: Watched, service_name: str, until: Any
) -> None:
    async with watched.raw() as client:
        client.begin(1, f"/{service_name}/Both")
        client.send(1, 4, b"whole"[:4])
        client.send(1, MESSAGE, bytes(200_000))
        began = time.monotonic()
        await until(lambda: 1 in client.ended, 10)
        assert time.monotonic() - began > SECONDS * 0.8
        assert client.sent > 200_000
        await until(lambda: not watched.held["essex"])


async def test_a_stream_that_is_idle_stays_open(watched: Watched, lab: Any, service_name: str) -> None:
    caller = await lab.anonymous(watched.server)
    call = caller.channel.stream_stream(f"/{service_name}/Both")(
        metadata=(("authorization", f"Bearer {TOKEN}"),)
    )
    for _ in range(3):
        for _ in range(50):
            await call.write(b"x" * 20_000)
            assert await call.read() == b"X" * 20_000
        await asyncio.sleep(SECONDS * 1.5)
        assert watched.held["essex"] < 64 * 1024
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_the_feeds_of_two_forces_may_share_a_connection(
    watched: Watched, lab: Any, service_name: str
) -> None:
    method = (await lab.anonymous(watched.server)).channel.stream_stream(f"/{service_name}/Both")
    quiet, busy = [method(metadata=(("authorization", f"Bearer {token}"),)) for token in FORCES]
    for call in (quiet, busy):
        await call.write(b"x")
        await call.read()
    began, sent = time.monotonic(), 0
    while sent < 2 * MOST or time.monotonic() - began < SECONDS * 2.5:
        await busy.write(bytes(50_000))
        sent += len(await busy.read())
    assert max(watched.held.values()) < 64 * 1024
    await quiet.write(b"y")
    assert await quiet.read() == b"Y"


async def test_many_halves_of_messages_end_with_their_calls(
    watched: Watched, lab: Any, service_name: str, until: Any
) -> None:
    async with watched.raw() as client:
        streams = range(1, 41, 2)
        for stream in streams:
            client.begin(stream, f"/{service_name}/Say")
            client.send(stream, MESSAGE, bytes(MESSAGE - 1))
        began = time.monotonic()
        await until(lambda: client.ended.keys() == set(streams), 10)
        assert time.monotonic() - began < SECONDS * 4
        await until(lambda: watched.held["essex"] <= MOST)
    caller = await lab.anonymous(watched.server)
    assert await caller.say("Say", b"x", metadata=(("authorization", f"Bearer {TOKEN}"),)) == b"x"


async def test_the_fault_says_what_to_do(watched: Watched, lab: Any, service_name: str) -> None:
    arrivals = watched.server._offices.arrivals
    arrivals._judge = list
    method = (await lab.anonymous(watched.server)).channel.stream_stream(f"/{service_name}/Both")
    calls = []
    # Random headers do not shrink, and are more than a call is expected to send beside its messages.
    for _ in range(20):
        padding = ("padding", secrets.token_urlsafe(5_000))
        calls.append(method(metadata=(("authorization", f"Bearer {TOKEN}"), padding)))
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        fault = fault_from(caught.value)
        assert (fault.reason, fault.retry_after) == ("TOO_MUCH_IN_FLIGHT", 1.0)


async def test_what_came_for_refused_calls_is_not_held(
    watched: Watched, service_name: str, echo: Any, until: Any
) -> None:
    """The rest of a refused call's messages is dropped, and does not count for those after it."""
    echo.failure = lambda: Conflict("BAD_START", "it is wrong")
    async with watched.raw() as client:
        for stream in (1, 3, 5, 7, 9):
            client.begin(stream, f"/{service_name}/Both")
            client.send(stream, 4, b"whol")
            client.send(stream, MESSAGE, bytes(MESSAGE - 1))
            await until(lambda ended=stream: ended in client.ended)
        echo.failure = None
        client.begin(11, f"/{service_name}/Both")
        client.send(11, 4, b"whol")
        await asyncio.sleep(2 * SECONDS)
        assert 11 not in client.ended
        assert watched.held["essex"] < MESSAGE
