"""Each service is restarted, one replica after the other, under 2,000 reads a second: no error is heard."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial

import grpc
import pytest
from gantry.bridge.v1 import bridge_pb2, bridge_pb2_grpc
from gantry.match.v1 import alert_pb2, alert_pb2_grpc
from gantry.store.v1 import buffer_pb2, buffer_pb2_grpc
from gantry_sdk import Connection

from chassis.client import open_channel
from suite.database import SERVICES
from suite.plan import replica_name
from tests.chaos.load import everything_arrived, loading
from tests.chaos.observers import observing
from tests.chaos.wiring import Wired, wired_suite

pytestmark = pytest.mark.timeout(600)

READS_A_SECOND = 2_000
STEADY_SECONDS = 10.0
SETTLED_SECONDS = 3.0
ACKED_WITHIN = 1.0
TIMES_STEADY = 3.0
"""On a machine that others use too, an acknowledgement may take so many times as long as without restarts."""
STOPS_WITHIN = 15.0
ASK_SECONDS = 0.1
DOCUMENTED = {"STOPPING", "CONNECTION_LOST", "no server answers there"}
"""The reasons after which a vendor's client connects again, by docs/vendors.md.

The last one is what the SDK says of a connection to a replica that has just ended.
"""


Ask = Callable[[], Awaitable[None]]


class Reasons(logging.Handler):
    """The reasons for which the SDK lost a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            # "%s: %s. %s" with the server, the reason and its sentence, and what follows.
            self.found[record.getMessage().split(": ")[1]] += 1


async def test_a_rolling_restart_of_each_service(
    capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    async with wired_suite("essex", "kent") as wired:
        suite, authority = wired.suite, wired.suite.authority.certificate
        with _reasons() as reasons:
            async with (
                Connection(
                    wired.door.address, authority=authority, server_name="localhost", channels=4
                ) as connection,
                observing(suite, store=wired.stores.address, match=wired.matches.address) as (tails, rooms),
                asked(wired) as failures,
                loading(suite, connection, READS_A_SECOND) as load,
            ):
                await asyncio.sleep(STEADY_SECONDS)
                for service in SERVICES:
                    load.now = service
                    for process in (service, replica_name(service, 2)):
                        await _restart(wired, process)
            await everything_arrived(suite, load, within=120.0)
        for force in suite.settings.forces:
            numbers = [alert.alert_id for alert in rooms[force].alerts]
            assert len(numbers) == len(set(numbers))
            assert tails[force].wrong == []
    figures = {what: f"{load.p99(what):.3f}" for what in load.ack_seconds}
    record_property("ack_p99_seconds", str(figures))
    with capsys.disabled():
        told = f"{sum(load.sent.values())} reads; ack p99 in s: {figures}; streams lost: {reasons.found}"
        print(f"\n{told}")  # noqa: T201 - figures for whoever runs it
    assert failures == []
    assert set(reasons.found) <= DOCUMENTED
    assert load.p99() < max(ACKED_WITHIN, TIMES_STEADY * load.p99("steady")), figures


@contextmanager
def _reasons() -> Iterator[Reasons]:
    handler, logger = Reasons(), logging.getLogger("gantry_sdk")
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)


async def _restart(wired: Wired, process: str) -> None:
    """As a Deployment does it: one at a time, and the next one when this one is ready again."""
    code = await wired.suite.process(process).stop(STOPS_WITHIN)
    assert code == 0, f"{process} ended with {code}"
    await wired.suite.restart(process)
    await asyncio.sleep(SETTLED_SECONDS)


@asynccontextmanager
async def asked(wired: Wired) -> AsyncIterator[list[str]]:
    """Somebody asks each service something ten times a second meanwhile, as the command does: what failed."""
    failures: list[str] = []
    stubs: list[tuple[str, Ask]] = []
    async with AsyncExitStack() as opened:
        for proxy, ask in ((wired.stores, _buffer), (wired.matches, _matching), (wired.bridges, _bridge)):
            channel = await opened.enter_async_context(open_channel(proxy.address, wired.suite.person()))
            stubs.append((ask.__name__, partial(ask, channel)))
        asking = [asyncio.create_task(_ask(name, ask, failures)) for name, ask in stubs]
        try:
            yield failures
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)


async def _ask(name: str, ask: Ask, failures: list[str]) -> None:
    while True:
        try:
            await ask()
        except grpc.aio.AioRpcError as error:
            failures.append(f"{name}: {error.code().name} {error.details()}")
        await asyncio.sleep(ASK_SECONDS)


async def _buffer(channel: grpc.aio.Channel) -> None:
    await buffer_pb2_grpc.BufferServiceStub(channel).GetBufferStatus(
        buffer_pb2.GetBufferStatusRequest(force="essex")
    )


async def _matching(channel: grpc.aio.Channel) -> None:
    await alert_pb2_grpc.AlertServiceStub(channel).GetMatchStatus(
        alert_pb2.GetMatchStatusRequest(force="essex")
    )


async def _bridge(channel: grpc.aio.Channel) -> None:
    await bridge_pb2_grpc.BridgeServiceStub(channel).ListDestinations(
        bridge_pb2.ListDestinationsRequest(force="essex")
    )
