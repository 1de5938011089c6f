"""Frequent queries use an index, and only the partitions that can have an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from chassis.database import statements
from services.store.days import US_A_DAY, date_of
from tests.contract.store.conftest import RunningStore
from tests.contract.store.reads import columns

SQL = {
    **statements("chassis"),
    **statements("services.store"),
    **statements("services.store.consumers"),
    **statements("services.store.log"),
    **statements("services.store.retention"),
    **statements("services.store.search"),
}
DAYS = 4
READS_A_DAY = 6_000
NO_END = 2**63 - 1


@dataclass
class Filled:
    """A connection to a store with some days of reads, by position in the order of the days."""

    connection: asyncpg.Connection
    today: int

    async def plan(self, statement: str, types: str, *values: object) -> str:
        """The plan that the server makes without knowing the values, as it does for a statement run often."""
        async with self.connection.transaction():
            await self.connection.execute("set local plan_cache_mode = force_generic_plan")
            await self.connection.execute(SQL["declare_forces"], "essex", "10s")
            await self.connection.execute(SQL["plan_by_index"])
            parameters = f"({types})" if types else ""
            await self.connection.execute(f"prepare planned {parameters} as {SQL[statement]}")
            arguments = f"({', '.join(str(value) for value in values)})" if values else ""
            lines = await self.connection.fetch(f"explain (analyze, costs off) execute planned {arguments}")
            await self.connection.execute("deallocate planned")
        return "\n".join(line[0] for line in lines)

    def partition(self, days_ago: int) -> str:
        return f"reads_f1_d{date_of(self.today - days_ago):%Y%m%d}"


@pytest.fixture
async def filled(store: RunningStore) -> AsyncIterator[Filled]:
    await store.create("essex")
    ingest = await store.log("ingest")
    today = store.clock() // US_A_DAY
    for days_ago in reversed(range(1, DAYS + 1)):
        start = (today - days_ago) * US_A_DAY
        reads = columns(READS_A_DAY, at_us=start, step_us=US_A_DAY // READS_A_DAY // 2)
        reads.vrms[:] = [f"P{number % 2_000}" for number in range(READS_A_DAY)]
        await ingest.append("essex", reads)
    for days_ago in range(1, DAYS + 1):
        await store.database.partitions.summarise(("essex", date_of(today - days_ago)))
    async with store.pool.acquire() as connection:
        yield Filled(connection, today)


async def test_frequent_queries_use_an_index(filled: Filled) -> None:
    """One test, since filling the partitions takes seconds."""
    search = ("smallint[], text, bigint, bigint, bigint, smallint, bigint, int", "array[1]", "'P77'")
    ends = (0, NO_END, NO_END, 32767, NO_END, 100)
    position = READS_A_DAY + 77
    for statement, index, types, *values in (
        ("search_reads", "vrm_idx", *search, *ends),
        ("reads_between", "position_idx", "smallint, bigint, bigint", 1, position, position + 500),
        ("read_at", "position_idx", "smallint, bigint", 1, position),
        ("read_named", "read_id_idx", "smallint, text, text, int", 1, "'r00000000077'", "''", 101),
    ):
        plan = await filled.plan(statement, types, *values)
        for days_ago in range(1, DAYS + 1):
            assert f"{filled.partition(days_ago)}_{index}" in plan
            assert f"{filled.partition(days_ago)}_key" not in plan
        assert "Seq Scan on reads" not in plan


async def test_the_lag_of_a_consumer_is_found_by_an_index(filled: Filled) -> None:
    plan = await filled.plan("lags", "")
    assert "Index Scan using appends_pkey" in plan
    assert "Sort" not in plan


async def test_appends_and_certificates_come_in_ranges_of_positions(filled: Filled) -> None:
    plan = await filled.plan("appends_after", "smallint, bigint, int", 1, 100, 1_000)
    assert "Index Scan using appends_pkey" in plan
    assert "Sort" not in plan
    start = (filled.today - 2) * US_A_DAY
    values = (1, 2 * READS_A_DAY, 2 * READS_A_DAY + 500, start, start + US_A_DAY)
    plan = await filled.plan("identities", "smallint, bigint, bigint, bigint, bigint", *values)
    assert f"{filled.partition(2)}_position_idx" in plan
    assert f"{filled.partition(2)}_key" not in plan
