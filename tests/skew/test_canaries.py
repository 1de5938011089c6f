"""A canary in the log, for a store of the previous release on the present schema."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from gantry.store.v1 import log_pb2, log_pb2_grpc

from reads.appended import Appended, appends_of
from reads.canary import CANARY, CANARY_VRM
from suite.suite import Suite, erase
from tests.contract.store.reads import columns
from tests.e2e.machine import settings_in
from tests.e2e.outcome import buffer_status, log_as
from tests.postgres_server import throwaway_folder
from tests.skew.released import environment_of, released_tree

pytestmark = pytest.mark.timeout(300)

PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def released() -> Iterator[Path]:
    with released_tree() as tree:
        yield tree


async def append(log: "log_pb2_grpc.ReadLogServiceAsyncStub", size: int, *, canary: bool = False) -> int:
    """Append new reads or a canary; the last position."""
    now_us = time.time_ns() // 1000
    if canary:
        reads = columns(1, at_us=now_us, cameras=(CANARY,), vrm=CANARY_VRM)
        request = log_pb2.AppendReadsRequest(force="essex", canary=reads.SerializeToString())
    else:
        reads = columns(size, at_us=now_us)
        request = log_pb2.AppendReadsRequest(force="essex", reads=reads.SerializeToString())
    return (await log.AppendReads(request, timeout=PATIENCE_SECONDS, wait_for_ready=True)).last_position


async def followed(log: "log_pb2_grpc.ReadLogServiceAsyncStub", last: int) -> AsyncIterator[Appended]:
    """The log up to a position, for a consumer that asks for canaries."""
    request = log_pb2.TailReadsRequest(force="essex", consumer="skew", earliest=True, canaries=True)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for response in log.TailReads(request, wait_for_ready=True):
            for each in appends_of(response):
                yield each
            if response.position >= last:
                return


async def seen(suite: Suite, last: int) -> list[tuple[bool, list[int]]]:
    async with log_as(suite, "match") as log:
        return [(each.canary, [*each.positions]) async for each in followed(log, last)]


async def test_the_old_store_passes_a_canary_over_and_goes_on_behind_it(released: Path) -> None:
    with throwaway_folder() as folder:
        settings = settings_in(folder, ("essex",))
        async with Suite(settings) as suite:
            async with log_as(suite, "ingest") as log:
                assert await append(log, 2) == 2
                assert await append(log, 1, canary=True) == 3
            assert await seen(suite, 3) == [(False, [1, 2]), (True, [3])]
            await suite.restart("store", environment_of(released))
            assert await seen(suite, 3) == [(False, [1, 2])]
            async with log_as(suite, "ingest") as log:
                # It knows no canaries: it sees an append without reads.
                assert await append(log, 1, canary=True) == 0
                assert await append(log, 2) == 5
            status = await buffer_status(suite, "essex")
            assert (status.head, status.reads_stored) == (5, 4)
            assert await seen(suite, 5) == [(False, [1, 2]), (False, [4, 5])]
            await suite.restart("store", {"PYTHONPATH": "", "PYTHONSAFEPATH": ""})
            assert await seen(suite, 5) == [(False, [1, 2]), (True, [3]), (False, [4, 5])]
        await erase(settings.folder)
