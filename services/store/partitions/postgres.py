"""Partitions by day of capture in PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

import asyncpg

from chassis.database import statements
from services.store.days import US_A_DAY, date_of, day_of
from services.store.each_force import for_each_force
from services.store.partitions.upkeep import Partition
from services.store.postgres import ForceRows

_SQL: Final = statements("services.store.partitions")


class PostgresPartitions:
    """The partitions of all forces in use, and the approximate number of reads in each."""

    def __init__(
        self, rows: ForceRows, pool: asyncpg.Pool, now_us: Callable[[], int], retention_days: int
    ) -> None:
        self._rows = rows
        self._pool = pool
        self._now_us = now_us
        self._retention_days = retention_days
        self._days: dict[str, set[date]] = {}
        self._appended: Counter[Partition] = Counter()

    async def make_for(self, force: str, reads_by_day: Mapping[date, int]) -> None:
        """Make the partitions for new reads: how many by day of capture.

        Days before the buffer's get none: their reads go to the partition of late reads.
        """
        days = await self._known(force)
        oldest = date_of(self._now_us() // US_A_DAY - self._retention_days)
        for day, reads in reads_by_day.items():
            if day >= oldest:
                await self._make(force, day)
            self._appended[force, day if day in days else None] += reads

    async def make_ahead(self, days: tuple[date, ...]) -> None:
        """Make partitions of these days for all forces in use."""

        async def make(force: str) -> None:
            for day in days:
                await self._make(force, day)

        await for_each_force([*self._days], make)

    def appended(self) -> Mapping[Partition, int]:
        """The approximate number of reads that each partition got since it was last summarised."""
        return {partition: reads for partition, reads in self._appended.items() if reads}

    async def summarise(self, partition: Partition) -> None:
        """Summarise the new reads of a partition, and count from 0 again."""
        force, day = partition
        self._appended.pop(partition, None)
        fills = day is None or day >= day_of(self._now_us())
        await self._pool.execute(_SQL.summarise_day, await self._rows.number_of(force), day, fills)

    async def _make(self, force: str, day: date) -> None:
        days = await self._known(force)
        if day not in days:
            await self._pool.fetchval(_SQL.make_day, await self._rows.number_of(force), day)
            # Also when it could not be made: the reads of that day then are in the partition of late reads.
            # A day that retention drops later stays here, which does no harm.
            days.add(day)

    async def _known(self, force: str) -> set[date]:
        known = self._days.get(force)
        if known is None:
            number = await self._rows.number_of(force)
            async with self._rows.transaction(force) as connection:
                rows = await connection.fetch(_SQL.days, number)
            known = self._days.setdefault(force, {row["day"] for row in rows})
        return known
