"""Makes partitions before they are needed, summarises them as they fill, drops old entries from memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final, Protocol

from chassis.loops import repeat
from services.store.days import US_A_DAY, day_of

_LOOK_SECONDS: Final = 1.0
# A replica that reads the newest entries scans what is not summarised: 0.1 ms for each 1,500 reads.
_SUMMARISE_READS: Final = 5_000
_SUMMARISE_US: Final = 60_000_000
_IN_MEMORY_US: Final = 600_000_000

Partition = tuple[str, date | None]
"""Force and day; None is the partition of late reads."""


class Partitions(Protocol):
    """The log's partitions."""

    def appended(self) -> Mapping[Partition, int]:
        """The approximate number of reads that each partition got since it was last summarised."""

    async def summarise(self, partition: Partition) -> None:
        """Summarise the new reads of a partition, and count from 0 again."""

    async def make_ahead(self, days: tuple[date, ...]) -> None:
        """Make partitions of these days for all forces in use."""


class Upkeep:
    """Maintains the partitions that this replica appends to."""

    def __init__(
        self, partitions: Partitions, forget: Callable[[int], None], now_us: Callable[[], int]
    ) -> None:
        """`forget` drops entries received before a time from memory."""
        self._partitions = partitions
        self._forget = forget
        self._now_us = now_us
        self._summarised_at_us = now_us()

    async def run(self) -> None:
        """Work without end."""
        await repeat(self.run_once, name="upkeep of partitions", every=_LOOK_SECONDS)

    async def run_once(self) -> None:
        """Do the work that is due."""
        now_us = self._now_us()
        self._forget(now_us - _IN_MEMORY_US)
        await self._partitions.make_ahead((day_of(now_us), day_of(now_us + US_A_DAY)))
        due = now_us - self._summarised_at_us >= _SUMMARISE_US
        for partition, reads in self._partitions.appended().items():
            if reads >= _SUMMARISE_READS or due:
                await self._partitions.summarise(partition)
        if due:
            self._summarised_at_us = now_us
