"""Upkeep makes partitions ahead and summarises those that got many reads, or got any a while ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from services.store.partitions.upkeep import Partition, Upkeep

DAY = date(2026, 3, 1)
NOON_US = 1_772_366_400_000_000
MINUTE_US = 60_000_000


class MemoryPartitions:
    """Partitions that record their calls."""

    def __init__(self) -> None:
        self.reads: dict[Partition, int] = {}
        self.summarised: list[Partition] = []
        self.made: set[date] = set()

    def appended(self) -> Mapping[Partition, int]:
        return dict(self.reads)

    async def summarise(self, partition: Partition) -> None:
        self.summarised.append(partition)
        self.reads.pop(partition)

    async def make_ahead(self, days: tuple[date, ...]) -> None:
        self.made.update(days)


async def test_partitions_are_made_a_day_ahead_and_old_entries_are_forgotten() -> None:
    partitions, forgotten = MemoryPartitions(), []
    await Upkeep(partitions, forgotten.append, lambda: NOON_US).run_once()
    assert partitions.made == {DAY, date(2026, 3, 2)}
    assert forgotten == [NOON_US - 10 * MINUTE_US]


async def test_a_partition_is_summarised_when_it_is_due() -> None:
    partitions, clock = MemoryPartitions(), [NOON_US]
    upkeep = Upkeep(partitions, lambda _: None, lambda: clock[0])
    partitions.reads = {("essex", DAY): 1_000_000, ("kent", None): 3}
    await upkeep.run_once()
    assert partitions.summarised == [("essex", DAY)]
    clock[0] += MINUTE_US
    await upkeep.run_once()
    assert partitions.summarised == [("essex", DAY), ("kent", None)]
