"""Hostile clients hold back the ends of large messages: memory stays bounded, and other forces are served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import psutil
import pytest

from services.ingest.settings import MEBIBYTE, IngestSection
from suite.suite import Suite
from tests.chaos.flooder import flooding
from tests.e2e.door import SERVICE, EnrolledFeed, ReadMaker, enrol, public_channel, submit_reads
from tests.e2e.machine import fresh_suite
from tests.e2e.waiting import eventually
from tests.raw_http2 import RawConnection

pytestmark = pytest.mark.timeout(300)

LARGEST = 4 * MEBIBYTE
TOTAL_BYTES = IngestSection.model_fields["total_bytes"].default
MOST_GROWTH = TOTAL_BYTES + 64 * MEBIBYTE
UNKNOWN_CALLS = 200
STREAMS, CONNECTIONS = 50, 3
GOOD_READS = 20
ENDED_WITHIN = 30.0


class Resident:
    """The largest resident memory of a process while the block runs, from its start."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._before = self._process.memory_info().rss
        self.growth = 0

    async def __aenter__(self) -> "Resident":
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._looking.cancel()

    async def _look(self) -> None:
        while True:
            self.growth = max(self.growth, self._process.memory_info().rss - self._before)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _served(suite: Suite) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Sends reads of another force; each is acknowledged."""
    maker = ReadMaker(await enrol(suite, "kent", "calm"))
    async with public_channel(suite) as channel:

        async def serve() -> None:
            for _ in range(GOOD_READS):
                assert (
                    await submit_reads(channel, maker.feed.token, [maker.one("KV63WYX")])
                ).ack.accepted == 1

        await serve()
        yield serve


@asynccontextmanager
async def _holding_back(
    suite: Suite, path: str, calls: int, connections: int, token: str = ""
) -> AsyncIterator[list[RawConnection]]:
    """Connections whose calls have each begun a large message and miss its last byte."""
    async with AsyncExitStack() as opened:
        found, begun = [], bytes(LARGEST - 1)
        for _ in range(connections):
            raw = RawConnection(suite.address("ingest", "public"), suite.authority.certificate, token)
            found.append(await opened.enter_async_context(raw))
            for number in range(calls):
                stream = 2 * number + 1
                found[-1].begin(stream, path)
                found[-1].send(stream, LARGEST, begun)
        yield found


async def _all_end(connections: list[RawConnection], calls: int) -> None:
    async def ended() -> bool:
        return all(len(each.ended) == calls for each in connections)

    await eventually(ended, within=ENDED_WITHIN, what="the end of the calls")


@pytest.mark.parametrize("path", ["StreamReads", "SubmitReads"])
async def test_a_client_that_nobody_knows_costs_nothing(path: str) -> None:
    async with fresh_suite("kent") as suite, _served(suite) as serve:
        pid = suite.process("ingest").pid
        assert pid is not None
        async with (
            Resident(pid) as resident,
            _holding_back(suite, f"{SERVICE}/{path}", UNKNOWN_CALLS, 1) as hostile,
        ):
            await serve()
            await _all_end(hostile, UNKNOWN_CALLS)
        assert resident.growth < 64 * MEBIBYTE


@pytest.mark.parametrize("path", ["StreamReads", "SubmitReads"])
async def test_a_feed_that_is_known_is_bounded(path: str) -> None:
    """It floods with pictures over some streams, and holds back messages on many others."""
    async with fresh_suite("essex", "kent") as suite, _served(suite) as serve:
        feed: EnrolledFeed = await enrol(suite, "essex", "hostile")
        pid = suite.process("ingest").pid
        assert pid is not None
        async with (
            Resident(pid) as resident,
            flooding(suite, feed, streams=6),
            _holding_back(suite, f"{SERVICE}/{path}", STREAMS, CONNECTIONS, feed.token) as hostile,
        ):
            await serve()
            await _all_end(hostile, STREAMS)
            await serve()
        assert resident.growth < MOST_GROWTH, f"{resident.growth / MEBIBYTE:.0f} MiB"
