"""How long no read can be stored after a kill -9 of PostgreSQL that has much log to read again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import asyncpg
import grpc
from gantry.common.v1.read_columns_pb2 import ReadColumns

from bench.baseline import SQL
from bench.contracts import append
from bench.measurements import APPEND_READS, APPENDS_AT_ONCE
from bench.reads import ReadMaker, camera_ids, plates
from chassis.client import open_channel
from suite.suite import Suite

_MIB: Final = 1024 * 1024
# A checkpoint begins when a little over half of max_wal_size (768 MB) has been written since the last one.
_WANTED_MIB: Final = 360
_LONGEST_FILL_SECONDS: Final = 120.0
_LONGEST_RECOVERY_SECONDS: Final = 300.0
_BETWEEN_TRIES_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Recovery:
    """MiB of log that were read again, and seconds from the kill to the next acknowledged append."""

    log_mib: float
    seconds: float


async def recovery(suite: Suite) -> Recovery:
    """Append reads until there is much log, kill PostgreSQL, and append until it is acknowledged."""
    force = suite.settings.forces[0]
    maker = ReadMaker("recovery", camera_ids("recovery", 40), plates(3), 3)
    async with open_channel(suite.address("store"), suite.service("ingest")) as channel:
        log_mib = await _fill(suite, channel, force, maker)
        last = maker.columns(1)
        begun = time.perf_counter()
        await suite.postgres.crash()
        async with asyncio.timeout(_LONGEST_RECOVERY_SECONDS):
            while not await _taken(channel, force, last):  # noqa: ASYNC110 - another process tells
                await asyncio.sleep(_BETWEEN_TRIES_SECONDS)
        return Recovery(log_mib, time.perf_counter() - begun)


async def _fill(suite: Suite, channel: grpc.aio.Channel, force: str, maker: ReadMaker) -> float:
    connection = await asyncpg.connect(**suite.postgres.superuser("gantry"))
    log_mib = 0.0
    try:
        async with asyncio.timeout(_LONGEST_FILL_SECONDS):
            while log_mib < _WANTED_MIB:
                runs = [maker.columns(APPEND_READS) for _ in range(APPENDS_AT_ONCE)]
                await asyncio.gather(*(append(channel, force, [reads]) for reads in runs))
                log_mib = await connection.fetchval(SQL["log_to_read_again"]) / _MIB
    finally:
        await connection.close()
    return log_mib


async def _taken(channel: grpc.aio.Channel, force: str, reads: ReadColumns) -> bool:
    try:
        await append(channel, force, [reads])
    except grpc.aio.AioRpcError:
        return False
    return True
