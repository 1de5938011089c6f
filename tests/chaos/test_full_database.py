"""No space under PostgreSQL, so that it ends itself: vendors hear it, and room brings everything back."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import grpc
import pytest
from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from gantry_sdk import Receipt

from chassis.errors import Fault
from suite.suite import Suite, erase
from tests.e2e.door import PatientFeed, ReadMaker, connected, enrol, public_channel, submit_reads
from tests.e2e.machine import settings_in
from tests.e2e.outcome import settled
from tests.postgres_server import throwaway_folder

pytestmark = pytest.mark.timeout(300)

FORCE = "essex"
PLATE = "WX55ZKW"
DISK = "700m"
READS = 200
FULL_FOR = 20.0
"""Longer than the restarts of another process would be tried."""
ANSWERED_WITHIN = 15.0
BACK_WITHIN = 60.0
FULL = (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL")


@contextmanager
def a_small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own."""
    folder.mkdir(mode=0o755, parents=True)
    mounted = ("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0755", "tmpfs", str(folder))
    try:
        done = subprocess.run(mounted, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("mounting a small file system needs privileges")
    try:
        yield
    finally:
        subprocess.run(("umount", "-l", str(folder)), check=True)


@asynccontextmanager
async def _full(suite: Suite) -> AsyncIterator[None]:
    """Fill the disk, and use up the log files that PostgreSQL keeps for later, until it has ended itself."""
    ballast, first = suite.layout.postgres / "ballast", suite.postgres.pid
    with ballast.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)
            file.flush()
    try:
        async with asyncio.timeout(60):
            while suite.postgres.pid == first:
                await _use_up_the_log(suite)
                await asyncio.sleep(0.05)
        yield
    finally:
        ballast.unlink()


async def _use_up_the_log(suite: Suite) -> None:
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection = await asyncpg.connect(**suite.postgres.superuser("gantry"), timeout=2)
        try:
            for _ in range(100):
                await connection.execute("select pg_logical_emit_message(true, 'x', repeat('x', 1000000))")
                await connection.execute("select pg_switch_wal()")
        finally:
            connection.terminate()


async def test_postgresql_without_room_stops_acknowledgements_and_room_brings_all_back() -> None:
    with throwaway_folder() as folder:
        settings = settings_in(folder, (FORCE,))
        with a_small_disk(settings.folder / "postgres"):
            async with Suite(settings) as suite:
                await _all_arrives_in_the_end(suite)
        await erase(settings.folder)


async def _all_arrives_in_the_end(suite: Suite) -> None:
    maker, acked = ReadMaker(await enrol(suite, FORCE, "camera")), 0
    reads = [maker.one(PLATE) for _ in range(READS)]

    def note(receipt: Receipt) -> None:
        nonlocal acked
        acked += receipt.accepted + receipt.duplicate

    async with connected(suite) as connection, PatientFeed(maker.feed).on(connection).stream(note) as stream:
        await stream.send(reads[:5])
        await stream.drain()
        async with _full(suite):
            for read in reads[5:]:
                await stream.send([read])
            faults = await _answers(suite, maker)
            assert acked == 5
        async with asyncio.timeout(BACK_WITHIN):
            await stream.drain()
    assert acked == READS
    assert all(fault.retry_after for fault in faults)
    assert {(fault.status, fault.reason) for fault in faults} <= {
        FULL,
        (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
    }
    assert FULL in {(fault.status, fault.reason) for fault in faults}
    await settled(suite, FORCE, READS, within=BACK_WITHIN)


async def _answers(suite: Suite, maker: ReadMaker) -> list[Fault]:
    """What a vendor hears while the disk is full."""
    faults, until = [], time.monotonic() + FULL_FOR
    async with public_channel(suite) as channel:
        while time.monotonic() < until:
            with pytest.raises(Fault) as refused:
                async with asyncio.timeout(ANSWERED_WITHIN):
                    await submit_reads(channel, maker.feed.token, [_stranger(maker)])
            faults.append(refused.value)
            await asyncio.sleep(0.5)
    return faults


def _stranger(maker: ReadMaker) -> SubmittedRead:
    return maker.one(PLATE, read_id=f"unanswered-{time.time_ns()}-{os.getpid()}")
