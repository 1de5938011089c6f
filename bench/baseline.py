"""The baseline: how fast PostgreSQL copies the same rows into the same table on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import psutil

from bench.reads import LATITUDE_E7, LONGITUDE_E7, ReadMaker, camera_ids, in_runs, plates
from chassis.database import statements
from suite.suite import Suite

SQL: Final = statements("bench")

_COPIED_AT_ONCE: Final = 10_000


def _rows(count: int) -> list[tuple[Any, ...]]:
    maker = ReadMaker("copy", camera_ids("copy", 40), plates(1), 1)
    rows: list[tuple[Any, ...]] = []
    for run in in_runs(count, _COPIED_AT_ONCE):
        part, first = maker.columns(run), len(rows)
        columns = zip(part.captured_at_us, part.camera_indexes, part.read_ids, part.vrms, strict=True)
        rows += [
            (
                first + number,
                captured,
                camera + 1,
                LATITUDE_E7,
                LONGITUDE_E7,
                0.97,
                1,
                number % 360,
                read_id,
                vrm,
                details,
                b"",
            )
            for number, ((captured, camera, read_id, vrm), details) in enumerate(
                zip(columns, part.details, strict=True)
            )
        ]
    return rows


@dataclass(frozen=True)
class Baseline:
    """Figures of raw COPY: rows a second, and processor time of a row in us, client and backend."""

    rows_per_second: float
    cpu_us: float


async def raw_copy(suite: Suite, count: int) -> Baseline:
    """COPY rows, 10,000 a transaction, into a table with the columns and indexes of a day."""
    rows = _rows(count)
    connection = await asyncpg.connect(**suite.postgres.superuser("gantry"))
    try:
        await connection.execute(SQL["drop_copy_table"])
        await connection.execute(SQL["make_copy_table"])
        await connection.execute(SQL["make_copy_key"])
        backend = psutil.Process(connection.get_server_pid())
        used, started = _cpu_seconds(backend), time.perf_counter()
        for first in range(0, count, _COPIED_AT_ONCE):
            await connection.copy_records_to_table(
                "bench_copy", schema_name="store", records=rows[first : first + _COPIED_AT_ONCE]
            )
        taken = time.perf_counter() - started
        return Baseline(count / taken, (_cpu_seconds(backend) - used) / count * 1e6)
    finally:
        await connection.execute(SQL["drop_copy_table"])
        await connection.close()


def _cpu_seconds(backend: psutil.Process) -> float:
    times = backend.cpu_times()
    return time.process_time() + float(times.user + times.system)


async def bytes_a_read(suite: Suite) -> float:
    """Bytes on disk of all partitions of reads with their indexes, and of appends, by the reads in them."""
    connection = await asyncpg.connect(**suite.postgres.superuser("gantry"))
    try:
        taken, reads = await connection.fetchrow(SQL["disk_taken"])
    finally:
        await connection.close()
    return float(taken) / float(reads)
