"""Random reads of few plates, full of near matches and resends, and the alerts that they should raise."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from anpr.confusable import fold
from chassis.settings import DatabaseSettings
from tests.contract.match.memory_log import NOON_US, MemoryLog, Seen
from tests.contract.match.replica import alerts_of, load, replica

PLATES = [a + b + c for a in "0OQ8" for b in "B8I" for c in "1L"]
LISTS = {"near": (True, PLATES[::3]), "exact": (False, PLATES[1::2])}


def sightings(chance: random.Random, count: int) -> list[Seen]:
    """Reads in the order in which the log gets them."""
    fresh = [
        Seen(chance.choice(PLATES), f"camera-{chance.randrange(3)}", f"r{number}", NOON_US + number)
        for number in range(count)
    ]
    # A vendor that resends after the buffer has forgotten makes the log hold a read twice.
    again = [chance.choice(fresh) for _ in range(count // 5)]
    return chance.sample([*fresh, *again], k=len(fresh) + len(again))


async def append_all(log: MemoryLog, reads: Sequence[Seen], chance: random.Random) -> None:
    """Append the reads in batches of different sizes, with pauses."""
    rest = list(reads)
    while rest:
        size = chance.randint(1, 9)
        log.append(*rest[:size])
        del rest[:size]
        await asyncio.sleep(chance.choice((0, 0, 0.005)))


async def load_lists(database: DatabaseSettings, log: MemoryLog) -> None:
    """Import the lists."""
    async with replica(database, log) as match:
        for name, (near, entries) in LISTS.items():
            await load(match, *(f"{entry},why" for entry in entries), name=name, near=near)


def expected(reads: Sequence[Seen]) -> Counter[tuple[object, ...]]:
    """By brute force: each read with each entry, once."""
    return Counter(
        {
            (read.camera_id, read.captured_at_us, read.read_id, name, entry)
            for read in reads
            for name, (near, entries) in LISTS.items()
            for entry in entries
            if entry == read.vrm or (near and fold(entry) == fold(read.vrm))
        }
    )


async def raised(database: DatabaseSettings) -> Counter[tuple[object, ...]]:
    """The alerts in the database, whose numbers must have no gap."""
    alerts = await alerts_of(database)
    assert [alert.alert_id for alert in alerts] == [str(number) for number in range(1, len(alerts) + 1)]
    return Counter(
        (
            alert.read.camera_id,
            alert.read.captured_at.ToMicroseconds(),
            alert.read.read_id,
            alert.hotlist,
            alert.entry_vrm,
        )
        for alert in alerts
    )
