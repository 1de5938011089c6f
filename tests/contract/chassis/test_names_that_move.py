"""Channels to a name whose addresses change: found soon, verified by the name, spread over all of them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack

import grpc
import pytest

from chassis.client import open_channel
from tests.contract.chassis.conftest import Echo
from tests.contract.chassis.little_dns import little_dns

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
FIRST, SECOND = "127.0.0.2", "127.0.0.3"
NAME = "store.test"


@pytest.fixture
def stores(lab, echo):
    """``await stores(ADDRESS)`` starts a server there, on the same port each time."""
    port = None

    async def start(address):
        nonlocal port
        tls = lab.authority.issue(f"store-{address}", "gantry://service/store", dns=(NAME,))
        settings = lab.settings(listen=f"{address}:{port or 0}", drain_seconds=0)
        server = await lab.echo(echo, settings=settings.model_copy(update={"tls": tls}))
        port = server.ports["grpc"]
        return server

    return start


async def test_a_new_address_is_found_within_seconds(lab, stores, service_name):
    first = await stores(FIRST)
    async with little_dns(FIRST) as dns:
        target = f"dns://127.0.0.1:{dns.port}/{NAME}:{first.ports['grpc']}"
        async with open_channel(target, lab.authority.service("ingest"), retries=False) as channel:
            say = channel.unary_unary(f"/{service_name}/Say")
            assert await say(b"1") == b"1"
            await stores(SECOND)
            dns.addresses = [SECOND]
            await first.stop()
            began = time.monotonic()
            await said_in_time(say)
            # gRPC by itself asks again after half a minute.
            assert time.monotonic() - began < 8


async def test_channels_spread_over_the_addresses_and_each_keeps_its_own(lab, service_name):
    """A channel asks one replica only. Of 24 channels, all choose the same one once in eight million runs."""
    replicas = [Replica(), Replica()]
    port = 0
    for replica, address in zip(replicas, (FIRST, SECOND), strict=True):
        tls = lab.authority.issue(f"store-{address}", "gantry://service/store", dns=(NAME,))
        settings = lab.settings(listen=f"{address}:{port}").model_copy(update={"tls": tls})
        port = (await lab.echo(replica, settings=settings)).ports["grpc"]
    async with little_dns(FIRST, SECOND) as dns, AsyncExitStack() as opened:
        target = f"dns://127.0.0.1:{dns.port}/{NAME}:{port}"
        for number in range(24):
            channel = open_channel(target, lab.authority.service("ingest"), retries=False)
            say = (await opened.enter_async_context(channel)).unary_unary(f"/{service_name}/Say")
            for _ in range(4):
                await say(str(number).encode())
    first, second = (replica.said for replica in replicas)
    assert len(first) + len(second) == 24
    assert {*first.values(), *second.values()} == {4}
    assert first
    assert second


class Replica(Echo):
    """Counts what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.said = Counter()

    async def Say(self, request, context):
        self.said[request] += 1
        return request


async def said_in_time(say):
    async with asyncio.timeout(25):
        while True:
            try:
                assert await say(b"2", timeout=2) == b"2"
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)
            else:
                return
