"""A replica as a process of its own: ``python -m tests.contract.following.process BEGAN LEASE_SECONDS``.

Standard input is the database's settings as JSON. The log grows by 100 reads a second since BEGAN, the same
in every process, and ends at 20,000. SIGTERM ends the process politely.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack

import following.lines
import following.postgres
from chassis.settings import DatabaseSettings
from tests.contract.following.conftest import World

READS = 20_000


async def main(began: float, database: DatabaseSettings) -> None:
    async with AsyncExitStack() as opened:
        world = World(database, opened)
        replica = await world.replica()
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        ending = asyncio.create_task(told.wait())
        growing = asyncio.create_task(grow(world, began))
        await asyncio.wait([ending, growing, replica.task], return_when=asyncio.FIRST_COMPLETED)
        await replica.stop()


async def grow(world: World, began: float) -> None:
    while True:
        world.log().grow(max(0, min(READS, int((time.time() - began) * 100)) - world.log().head))
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    began, lease_seconds = (float(word) for word in sys.argv[1:])
    following.postgres.LEASE_SECONDS = lease_seconds  # type: ignore[misc]
    following.lines.SURE_SECONDS = lease_seconds * 0.7  # type: ignore[misc]
    asyncio.run(main(began, DatabaseSettings.model_validate_json(sys.stdin.read())))
